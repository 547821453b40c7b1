UPDATE t SET k = 2;
-- oracle: wait
ANALYZE t;
ALTER TABLE t SET (fillfactor = 90);
BEGIN;
UPDATE t SET k = 3;
UPDATE t SET big = 'changed';
COMMIT;
-- oracle: wait
ALTER TABLE t ADD e int;
BEGIN;
UPDATE t SET k = 4;
UPDATE t SET nn = 'x';
COMMIT;
