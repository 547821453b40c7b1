INSERT INTO sig VALUES ('c1','execute-snapshot','{"data-collections": ["public.e"]}');
-- oracle: wait
INSERT INTO sig VALUES ('c2','execute-snapshot','{"data-collections": ["public.e","public.f","public.w","public.e"]}');
-- oracle: wait
INSERT INTO w VALUES (9);
