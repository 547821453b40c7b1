INSERT INTO readings (clock, value, precise) VALUES ('07:08:09.1', 16777217, 123456789.123456789), (NULL, 1e-45, 1e23);
INSERT INTO readings (at, value, precise) VALUES ('2020-01-01 00:00:00+00', 'NaN', '-Infinity');
UPDATE readings SET local_at = '2038-01-19 03:14:08', day = '2024-12-25', ok = NOT ok WHERE id = 1;
UPDATE readings SET at = at + interval '1 microsecond', n = NULL WHERE id IN (2, 3);
DELETE FROM readings WHERE id > 3;
