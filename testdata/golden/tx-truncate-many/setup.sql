CREATE TABLE t (id serial PRIMARY KEY, a text, n int NOT NULL, d numeric(6,2));
INSERT INTO t (a,n,d) VALUES ('one',1,1.5),('two',2,NULL);
CREATE TABLE u (id int PRIMARY KEY);
CREATE TABLE v (id int PRIMARY KEY);
