CREATE TABLE t (id int PRIMARY KEY, v text, n numeric(4,1));
INSERT INTO t SELECT g, 'v' || g, g / 2.0 FROM generate_series(1,4) g; CREATE SCHEMA ctl; CREATE TABLE ctl.commands (key text PRIMARY KEY, what text, args text); INSERT INTO ctl.commands VALUES ('old','log','{"message":"x"}');
CREATE TABLE between (id int);
