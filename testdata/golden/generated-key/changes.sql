INSERT INTO t (id, a) VALUES (2, 'y');
UPDATE t SET a = 'z' WHERE id = 1;
UPDATE t SET id = 5 WHERE id = 2;
DELETE FROM t WHERE id = 1;
