BEGIN;
UPDATE t SET k = 2;
UPDATE t SET nn = 'later', d = 'e';
COMMIT;
-- oracle: wait
BEGIN;
INSERT INTO t (id, k) VALUES (5, 1);
UPDATE t SET big = 'five', nn = 'fn' WHERE id = 5;
COMMIT;
-- oracle: wait
UPDATE t SET k = 9;
