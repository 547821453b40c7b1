INSERT INTO prices (item, price) VALUES ('bell', 6.99), ('chain', 12), ('lamp', 17.5), ('pump', 21);
