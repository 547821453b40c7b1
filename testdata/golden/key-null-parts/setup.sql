CREATE TABLE t (id int PRIMARY KEY, a text, b text);
INSERT INTO t VALUES (1,NULL,'x');
