BEGIN; INSERT INTO t VALUES (7,'x'); INSERT INTO t VALUES (8,'x'); COMMIT;
-- oracle: wait
-- oracle: signal {"id":"b1","type":"execute-snapshot","data":{"data-collections":["public.t"],"type":"blocking"}}
INSERT INTO t VALUES (9,'x');
