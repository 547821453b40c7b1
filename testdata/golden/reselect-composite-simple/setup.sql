CREATE TABLE t (a int, b text, c bigint, big text, k int, PRIMARY KEY (c,b,a));
ALTER TABLE t ALTER big SET STORAGE EXTERNAL;
INSERT INTO t VALUES (1, 'it''s "q"', 9, repeat('s',2100), 1);
