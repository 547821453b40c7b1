INSERT INTO t (n) VALUES (3);
SELECT pg_logical_emit_message(true, 'a', 'x');
