UPDATE t SET k = 2;
-- oracle: wait
BEGIN;
UPDATE t SET code = 'c9' WHERE id = 1;
UPDATE t SET nn = 'nine' WHERE id = 1;
COMMIT;
