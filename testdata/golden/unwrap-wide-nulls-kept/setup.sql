CREATE EXTENSION hstore;
CREATE TABLE w (id int PRIMARY KEY, op text, d numeric(8,3) DEFAULT 1.5, v numeric, a int[], p point, h hstore, b bytea, ts timestamp DEFAULT '2020-01-01', tz timestamptz, j jsonb, n int DEFAULT 7, bt bit(5), u uuid, nn text NOT NULL DEFAULT 'dd');
ALTER TABLE w REPLICA IDENTITY FULL;
INSERT INTO w VALUES (1,'x',NULL,12345.678900,'{1,NULL,3}','(1,2)','a=>1,b=>NULL','\xdeadbeef','2021-02-03 04:05:06.789','2021-02-03 04:05:06.789+02','{"k":[1]}',NULL,B'10101','00000000-0000-0000-0000-00000000000a','q');
INSERT INTO w (id) VALUES (2);
