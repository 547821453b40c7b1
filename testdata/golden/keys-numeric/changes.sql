INSERT INTO prices (region, amount, valid_from, rate) VALUES ('ZA', 10, '2025-01-01', -1e-7), ('ZA', 10.5, '2025-01-01', 1e20);
UPDATE prices SET rate = rate * 2, units = 7 WHERE region = 'ZA' AND amount = 10;
UPDATE prices SET amount = amount + 1 WHERE region = 'EU';
DELETE FROM prices WHERE region = 'US';
UPDATE ledger SET account = 2 WHERE account = 1;
INSERT INTO ledger SELECT i, i * 100000000000000000, 'n' || i FROM generate_series(10, 12) i;
DELETE FROM ledger WHERE account >= 11;
