-- oracle: signal {"id":"b1","type":"execute-snapshot","data":{"data-collections":["public.t","public.u,public.none","\"public\".\"V v\""],"type":"blocking","additional-conditions":[{"data-collection":"public.t","filter":"SELECT t.* FROM t WHERE id=2;"}]}}
INSERT INTO "V v" VALUES (2);
INSERT INTO t VALUES (4,'x');
