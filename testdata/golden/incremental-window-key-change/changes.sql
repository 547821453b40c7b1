INSERT INTO sig VALUES ('c1','execute-snapshot','{"data-collections": ["public.t"]}');
-- oracle: wait
INSERT INTO t VALUES (99,'end');
