INSERT INTO sig VALUES ('m1','log','not json');
INSERT INTO sig VALUES ('m2','log','{}');
INSERT INTO sig VALUES ('m3','log',NULL);
INSERT INTO sig VALUES ('m4','execute-snapshot','{"type":"blocking"}');
INSERT INTO sig VALUES ('m5','execute-snapshot','{"data-collections":[1],"type":"blocking"}');
INSERT INTO sig VALUES ('m6','execute-snapshot','{"data-collections":["public.t"],"type":"fancy"}');
INSERT INTO sig VALUES ('m7','log','{"message":"at {} and {}"}');
UPDATE sig SET type='log' WHERE id='m4';
DELETE FROM sig WHERE id='m5';
-- oracle: wait
-- oracle: signal not json at all
-- oracle: signal {"id":"x"}
INSERT INTO t VALUES (9,'nine',9);
