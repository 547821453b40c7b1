CREATE TABLE ob (seq bigserial PRIMARY KEY, kind text, agg int, d numeric(5,2));
