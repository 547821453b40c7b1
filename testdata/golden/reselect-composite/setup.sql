CREATE TABLE t (a numeric(6,2), b text, c uuid, d timestamptz, e date, f bytea, g bool, h char(4), big text, k int, PRIMARY KEY (c,b,a,d,e,f,g,h));
ALTER TABLE t ALTER big SET STORAGE EXTERNAL;
INSERT INTO t VALUES (1.50, 'it''s "q"', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '2020-01-02 03:04:05.678+02', '2021-03-04', '\x00ff', true, 'ab', repeat('s',2100), 1);
