INSERT INTO t VALUES (10,'ten');
INSERT INTO sig VALUES ('c1','execute-snapshot','{"data-collections": ["public.t"], "additional-conditions":[{"data-collection":"public.*","filter":"id % 2 = 0 OR v = ''v1''"}]}');
-- oracle: wait
DELETE FROM t WHERE id = 10;
