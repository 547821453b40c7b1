CREATE TABLE ob (seq bigserial PRIMARY KEY, kind text, agg int, body bytea, at timestamp(6) DEFAULT '2001-01-01');
