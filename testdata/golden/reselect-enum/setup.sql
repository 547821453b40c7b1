CREATE TYPE mood AS ENUM ('a','b');
CREATE DOMAIN posi AS int CHECK (VALUE > 0);
CREATE TABLE t (id posi PRIMARY KEY, m mood, k int);
INSERT INTO t VALUES (1, NULL, 1);
