UPDATE t SET k = 2;
-- oracle: wait
UPDATE t SET a = 3;
