CREATE TABLE t (id int PRIMARY KEY, code text UNIQUE, big text, nn text, k int);
ALTER TABLE t ALTER big SET STORAGE EXTERNAL;
INSERT INTO t VALUES (1, 'c1', repeat('s',2100), NULL, 1), (2, 'c2', repeat('t',2100), 'n', 1);
