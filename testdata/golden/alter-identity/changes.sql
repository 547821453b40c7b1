UPDATE t SET a = 'x' WHERE id = 1;
-- oracle: wait
ALTER TABLE t REPLICA IDENTITY FULL;
UPDATE t SET a = 'y' WHERE id = 1;
DELETE FROM t WHERE id = 2;
-- oracle: wait
ALTER TABLE t REPLICA IDENTITY DEFAULT;
UPDATE t SET a = 'w' WHERE id = 1;
-- oracle: wait
ALTER TABLE t DROP CONSTRAINT t_pkey;
INSERT INTO t (n) VALUES (5);
-- oracle: wait
ALTER TABLE t ADD PRIMARY KEY (id, n);
UPDATE t SET a = 'v' WHERE id = 1;
