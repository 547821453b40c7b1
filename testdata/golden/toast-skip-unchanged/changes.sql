UPDATE t SET v = 2;
UPDATE t SET big = 'x';
UPDATE t SET big = 'x';
UPDATE t SET big = NULL;
UPDATE t SET v = 5;
UPDATE t SET id = 9;
