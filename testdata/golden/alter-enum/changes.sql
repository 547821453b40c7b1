UPDATE t SET m = 'b';
-- oracle: wait
ALTER TYPE mood ADD VALUE 'c';
UPDATE t SET m = 'c', ms = '{c}';
-- oracle: wait
ALTER TYPE mood RENAME VALUE 'b' TO 'bb';
UPDATE t SET m = 'bb';
