CREATE TABLE readings (
  id bigserial PRIMARY KEY,
  at timestamptz NOT NULL DEFAULT '2001-02-03 04:05:06.789+00',
  local_at timestamp, local_ms timestamp(3), local_s timestamp(0),
  day date DEFAULT '1999-12-31',
  clock time, clock_ms time(3), clock_tz timetz,
  ok boolean NOT NULL DEFAULT true, maybe boolean,
  value real, precise double precision DEFAULT 2.5e-3,
  small smallint, n integer DEFAULT 42);
SET TIME ZONE 'America/New_York';
INSERT INTO readings VALUES
  (DEFAULT, '2024-03-10 02:30:00.123456-05', '2024-03-10 02:30:00.123456', '2024-03-10 02:30:00.123', '2024-03-10 02:30:01',
   '2024-02-29', '23:59:59.999999', '00:00:00.001', '12:34:56.7+05:30', false, NULL, 1.1, 0.1, -32768, 2147483647),
  (DEFAULT, '1969-12-31 23:59:59.999999+00', '1901-12-13 20:45:52', '0001-01-01 00:00:00', '1969-12-31 23:59:59',
   '0001-01-01', '00:00:00', '24:00:00', '24:00:00-08', true, true, 3.4028235e38, 5e-324, 0, -2147483648),
  (DEFAULT, '9999-12-31 23:59:59+14', NULL, NULL, NULL, NULL, NULL, NULL, NULL, true, false, NULL, NULL, NULL, NULL);
