INSERT INTO outbox VALUES ('00000000-0000-0000-0000-000000000002','Order','o-2','Created','{}',1,'acme','2020-01-01 00:00:00.123',3);
UPDATE outbox SET ver=9;DELETE FROM outbox;SELECT pg_logical_emit_message(true, 'pre', 'content');
