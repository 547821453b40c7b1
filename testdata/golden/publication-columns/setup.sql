CREATE TABLE t (id int PRIMARY KEY, a text, b int, c text DEFAULT 'cc');
CREATE PUBLICATION pubc FOR TABLE t (id, c) WHERE (id > 1);
INSERT INTO t VALUES (1,'a',1,'c'),(2,'a',2,'c');
