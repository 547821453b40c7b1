UPDATE t SET n=5 WHERE id=1;
-- oracle: stop
ALTER TABLE t REPLICA IDENTITY DEFAULT;
UPDATE t SET n=6 WHERE id=1;
-- oracle: start
UPDATE t SET n=7 WHERE id=1;
