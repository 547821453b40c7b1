CREATE TABLE t (id int PRIMARY KEY, v text, n numeric(4,1));
INSERT INTO t SELECT g, 'v' || g, g / 2.0 FROM generate_series(1,4) g;
CREATE TABLE u (id int PRIMARY KEY, w text); INSERT INTO u VALUES (1,'u1'),(2,'u2');
