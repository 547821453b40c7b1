CREATE TABLE prices (
  region varchar(8) NOT NULL,
  amount numeric(12,4) NOT NULL,
  valid_from date NOT NULL,
  rate numeric,
  discount numeric(5,2) DEFAULT 0.15,
  units smallint NOT NULL DEFAULT 1,
  PRIMARY KEY (valid_from, region, amount));
CREATE TABLE ledger (
  account bigint, entry numeric(20,0), note text, PRIMARY KEY (entry, account));
INSERT INTO prices VALUES
  ('EU', 1234.5678, '2024-02-29', 3.14159265358979323846, 99.99, 32767),
  ('EU', -0.0001, '1969-12-31', NULL, NULL, -1),
  ('US', 99999999.9999, '2038-01-19', 0, 0.10, 0);
INSERT INTO ledger VALUES (9223372036854775807, 12345678901234567890, 'größte'), (1, 0, NULL);
