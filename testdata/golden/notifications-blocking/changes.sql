INSERT INTO t VALUES (9,'nine',9);
-- oracle: wait
-- oracle: signal {"id":"b1","type":"execute-snapshot","data":{"data-collections":["public.u","public.t"],"type":"blocking"}}
INSERT INTO t VALUES (10,'ten',10);
-- oracle: wait
-- oracle: signal {"id":"b2","type":"execute-snapshot","data":{"data-collections":["public.nothere"],"type":"BLOCKING"}}
INSERT INTO t VALUES (11,'x',11);
