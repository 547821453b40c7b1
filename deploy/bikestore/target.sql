-- The sink makes tables, not schemas.
CREATE SCHEMA store;
