CREATE EXTENSION vector;
CREATE TABLE t (id int PRIMARY KEY, v vector(3), h halfvec, s sparsevec(4));
INSERT INTO t VALUES (1,'[1,2,3]','[0.1,0.2]','{1:1.25,4:2}/4');
