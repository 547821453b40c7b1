UPDATE t SET a = 2;
-- oracle: wait
ALTER TABLE t RENAME COLUMN a TO c;
UPDATE t SET c = 3;
-- oracle: wait
ALTER TABLE t RENAME TO s;
UPDATE s SET c = 4;
-- oracle: wait
ALTER TABLE s ALTER COLUMN c TYPE bigint, ALTER COLUMN b DROP NOT NULL, ALTER COLUMN b DROP DEFAULT;
UPDATE s SET c = 5;
-- oracle: wait
ALTER TABLE s DROP COLUMN b;
UPDATE s SET c = 6;
-- oracle: wait
ALTER TABLE s ADD COLUMN z numeric(5,1) NOT NULL DEFAULT 2.5;
UPDATE s SET c = 7;
-- oracle: wait
DELETE FROM s;
