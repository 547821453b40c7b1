INSERT INTO sig VALUES ('n','log','{"message":"x"}');
