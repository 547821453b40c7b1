CREATE TABLE sig (id varchar(42) PRIMARY KEY, type varchar(32) NOT NULL, data varchar(2048));
CREATE TABLE t (id int PRIMARY KEY, v text, n numeric(4,1)); INSERT INTO t SELECT g, 'v' || g, g / 2.0 FROM generate_series(1,7) g; CREATE TABLE w (a int PRIMARY KEY); INSERT INTO w VALUES (1),(2),(3);
