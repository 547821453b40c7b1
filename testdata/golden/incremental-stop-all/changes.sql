BEGIN;
INSERT INTO sig VALUES ('c1','execute-snapshot','{"data-collections": ["public.t","public.w"]}');
INSERT INTO sig VALUES ('c2','stop-snapshot','{"type": "incremental"}');
COMMIT;
-- oracle: wait
INSERT INTO sig VALUES ('c3','stop-snapshot','{"type": "incremental"}');
INSERT INTO sig VALUES ('c4','execute-snapshot','{"data-collections": ["public.w"]}');
-- oracle: wait
INSERT INTO t VALUES (9,'nine',9);
