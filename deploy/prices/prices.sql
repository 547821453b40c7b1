CREATE TABLE prices (
    id      serial PRIMARY KEY,
    item    varchar(32) NOT NULL,
    price   double precision NOT NULL,
    noticed timestamp NOT NULL DEFAULT localtimestamp
);
INSERT INTO prices (item, price) VALUES ('saddle', 29.5), ('bell', 7.25), ('lamp', 18);
