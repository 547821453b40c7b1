-- oracle: sleep 1500
-- oracle: kafka p {"id":"k1","type":"execute-snapshot","data":{"data-collections":["public.t"],"type":"blocking"}}
INSERT INTO t VALUES (7,'seven',7);
-- oracle: restart
INSERT INTO t VALUES (8,'eight',7);
-- oracle: wait
-- oracle: kafka p {"id":"k1","type":"execute-snapshot","data":"{}"}
-- oracle: kafka p nonsense
INSERT INTO t VALUES (9,'nine',7);
