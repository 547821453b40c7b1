BEGIN;
SELECT pg_logical_emit_message(true, 'abc', '1');
INSERT INTO t (n) VALUES (3);
SELECT pg_logical_emit_message(true, 'zz', '\xfffe'::bytea);
COMMIT;
SELECT pg_logical_emit_message(true, 'b', 'x');
