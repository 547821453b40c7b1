CREATE EXTENSION vector;
CREATE DOMAIN dv AS vector(2); CREATE DOMAIN dh AS halfvec NOT NULL;
CREATE TABLE t (id int PRIMARY KEY, v dv, h dh, a vector(3)[], s sparsevec(40));
INSERT INTO t VALUES (1,'[1,2]','[0.1,0.2]',NULL,'{1:1,2:2,3:3,4:4,17:5}/40');
