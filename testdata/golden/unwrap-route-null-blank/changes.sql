INSERT INTO t VALUES (3,''),(4,'four'),(5,'  ');
UPDATE t SET r='five' WHERE id=4;
DELETE FROM t WHERE id=4;
DELETE FROM t WHERE id=2;
UPDATE t SET id=30 WHERE id=1;
