-- oracle: signal {"id":"b1","type":"execute-snapshot","data":{"data-collections":["public.t"],"type":"blocking","additional-conditions":[{"data-collection":"public.t","filter":"SELECT nope FROM t"}]}}
INSERT INTO t VALUES (9,'nine',9);
-- oracle: wait
-- oracle: signal {"id":"b1","type":"execute-snapshot","data":{"data-collections":["public.t"],"type":"blocking"}}
INSERT INTO t VALUES (10,'nine',9);
