SELECT pg_logical_emit_message(false, 'm', '1');
-- oracle: restart
SELECT pg_logical_emit_message(false, 'm', '2');
INSERT INTO t (n) VALUES (3);
-- oracle: restart
SELECT pg_logical_emit_message(true, 'm', '3');
-- oracle: restart
SELECT pg_logical_emit_message(false, 'm', '4');
INSERT INTO t (n) VALUES (4);
