UPDATE t SET k = 2;
-- oracle: wait
UPDATE t SET k = 3, tx = 'short', ia = '{1,2}';
-- oracle: wait
UPDATE t SET id = 2;
-- oracle: wait
DELETE FROM t;
