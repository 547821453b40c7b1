INSERT INTO ob (kind,agg,body,at) VALUES ('ab-12',5,'\x01ff','2020-01-01 00:00:00.123456');
INSERT INTO ob (kind,agg,body,at) VALUES ('zz',NULL,NULL,NULL);
INSERT INTO ob (kind,agg,body,at) VALUES ('a-1b-2',NULL,'\x','1969-01-01');
