CREATE TABLE t (id int PRIMARY KEY, big text, nn text, k int, d text DEFAULT 'x');
ALTER TABLE t ALTER big SET STORAGE EXTERNAL;
INSERT INTO t VALUES (1, repeat('s',2100), NULL, 1, NULL);
