BEGIN;
INSERT INTO moves (src, dst, amount) VALUES (1, 2, 30);
UPDATE accounts SET balance = balance - 30 WHERE id = 1;
UPDATE accounts SET balance = balance + 30 WHERE id = 2;
SAVEPOINT a;
INSERT INTO moves (src, dst, amount) VALUES (2, 3, 500);
UPDATE accounts SET owner = 'nobody' WHERE id = 3;
ROLLBACK TO SAVEPOINT a;
SAVEPOINT b;
INSERT INTO moves (src, dst, amount) VALUES (2, 3, 0.5);
RELEASE SAVEPOINT b;
COMMIT;
-- oracle: wait
BEGIN;
UPDATE accounts SET id = 30 WHERE id = 3 AND NOT EXISTS (SELECT 1 FROM moves WHERE dst = 3 OR src = 3);
INSERT INTO accounts VALUES (4, 'Dee', 1), (5, 'Eva', 2), (6, 'Fay', 3);
DELETE FROM accounts WHERE id IN (5, 6);
TRUNCATE moves RESTART IDENTITY;
UPDATE accounts SET id = 40, owner = 'Dee D.' WHERE id = 4;
COMMIT;
-- oracle: restart
TRUNCATE accounts, moves;
BEGIN;
INSERT INTO accounts VALUES (7, 'Gil', 9.99);
ROLLBACK;
INSERT INTO accounts VALUES (8, 'Hal', 10);
