UPDATE t SET k = 2;
-- oracle: wait
DELETE FROM t;
