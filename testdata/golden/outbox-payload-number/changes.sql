INSERT INTO ob (kind,agg,d) VALUES ('x',5,1.25);INSERT INTO ob (kind,agg,d) VALUES ('y',NULL,NULL);
