INSERT INTO t (a,n,d) VALUES ('three',3,3.25);
UPDATE t SET a = 'drei', d = NULL WHERE id = 3;
UPDATE t SET id = 30 WHERE id = 3;
DELETE FROM t WHERE id = 1;
-- oracle: stop
-- oracle: forget slot
INSERT INTO t (a,n,d) VALUES ('gap',4,3.25);
-- oracle: start
INSERT INTO t (a,n,d) VALUES ('four',4,3.25);
