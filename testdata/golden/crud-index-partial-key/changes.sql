UPDATE t SET c = 'z' WHERE id = 1;
UPDATE t SET a = 7 WHERE id = 1;
UPDATE t SET id = 9 WHERE id = 1;
DELETE FROM t WHERE a = 2;
