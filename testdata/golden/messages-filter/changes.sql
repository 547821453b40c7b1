SELECT pg_logical_emit_message(true, 'abc', '1');
SELECT pg_logical_emit_message(true, 'B', '2');
SELECT pg_logical_emit_message(true, 'c', '3');
SELECT pg_logical_emit_message(false, 'b', 'x');
INSERT INTO t (n) VALUES (3);
SELECT pg_logical_emit_message(true, 'oracle-sync-no', '3');
SELECT pg_logical_emit_message(false, '', '');
