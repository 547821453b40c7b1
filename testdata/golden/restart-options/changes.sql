INSERT INTO t (n) VALUES (3);
-- oracle: restart provide.transaction.metadata=true tombstones.on.delete=false
BEGIN;
INSERT INTO t (n) VALUES (4);
DELETE FROM t WHERE n = 3;
COMMIT;
-- oracle: restart provide.transaction.metadata=false skipped.operations=none
TRUNCATE t;
INSERT INTO t (n) VALUES (5);
