BEGIN;
SELECT pg_logical_emit_message(true, 'a', '1');
INSERT INTO t (n) VALUES (5);
SELECT pg_logical_emit_message(true, 'b', '2');
SELECT pg_logical_emit_message(true, 'c', '3');
INSERT INTO t (n) VALUES (6);
COMMIT;
INSERT INTO t (n) VALUES (7);
