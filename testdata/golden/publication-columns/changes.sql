INSERT INTO t VALUES (0,'a',1,'c'),(5,'b',5,NULL);
UPDATE t SET b = 9;
UPDATE t SET id = -1 WHERE id = 5;
DELETE FROM t;
