CREATE TYPE mood AS ENUM ('a','b');
CREATE TABLE t (id int PRIMARY KEY, m mood, ms mood[]);
INSERT INTO t VALUES (1,'a','{a,b}');
