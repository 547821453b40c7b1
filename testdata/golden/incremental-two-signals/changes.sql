BEGIN;
INSERT INTO sig VALUES ('c1','execute-snapshot','{"data-collections": ["public.t"]}');
INSERT INTO sig VALUES ('c2','execute-snapshot','{"data-collections": ["public.w","public.t"], "additional-conditions":[{"data-collection":"public.T","filter":"id > 5"},{"data-collection":"public.t","filter":"id > 6"}]}');
COMMIT;
-- oracle: wait
INSERT INTO t VALUES (9,'nine',9);
