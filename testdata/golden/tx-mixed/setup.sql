CREATE TABLE accounts (id int PRIMARY KEY, owner varchar(20) NOT NULL, balance numeric(10,2) NOT NULL DEFAULT 0, CHECK (balance >= 0));
CREATE TABLE moves (id serial PRIMARY KEY, src int REFERENCES accounts, dst int REFERENCES accounts, amount numeric(10,2));
INSERT INTO accounts VALUES (1, 'Ann', 100), (2, 'Bob', 50.5), (3, 'Cem', 0);
