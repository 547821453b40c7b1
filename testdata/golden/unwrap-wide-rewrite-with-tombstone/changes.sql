INSERT INTO w VALUES (3,'y',2.125,-0.5,'{}','(-1,0.5)','','\x','infinity','-infinity','null',NULL,NULL,NULL,'z');
UPDATE w SET op = NULL, d = NULL, ts = NULL, n = NULL WHERE id = 1;
UPDATE w SET id = 10 WHERE id = 1;
DELETE FROM w WHERE id = 2;
SELECT pg_logical_emit_message(true, 'pre', 'content');
TRUNCATE w;
