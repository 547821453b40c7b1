INSERT INTO shard_1 VALUES (2,'c',2);
UPDATE shard_2 SET a=NULL;
UPDATE shard_1 SET id=9 WHERE id=2;
DELETE FROM shard_1;
DELETE FROM shard_2;
INSERT INTO shard_3 VALUES (6);
TRUNCATE shard_3;
ALTER TABLE shard_1 ADD COLUMN z int;
INSERT INTO shard_1 VALUES (5,NULL,NULL,1);SELECT pg_logical_emit_message(true, 'pre', 'content');
