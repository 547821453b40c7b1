CREATE TABLE t (id int PRIMARY KEY, d numeric(6,2)); INSERT INTO t VALUES (1,1.5),(2,2.5);
