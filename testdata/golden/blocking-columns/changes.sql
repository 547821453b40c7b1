-- oracle: signal {"id":"b1","type":"execute-snapshot","data":{"data-collections":["public.a","public.b"],"type":"blocking","additional-conditions":[{"data-collection":"public.a","filter":"SELECT v, id FROM a ORDER BY id DESC"}]}}
INSERT INTO a VALUES (3,'z');
