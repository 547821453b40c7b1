BEGIN;
INSERT INTO sig VALUES ('c1','execute-snapshot','{"data-collections": ["public.t","public.w"], "additional-conditions":[{"data-collection":"public.t","filter":"id <> 4"}]}');
INSERT INTO sig VALUES ('c2','pause-snapshot','{"type": "incremental"}');
COMMIT;
-- oracle: wait
UPDATE t SET v = 'upd' WHERE id = 5;
-- oracle: restart
-- oracle: wait
INSERT INTO t VALUES (9,'nine',9);
