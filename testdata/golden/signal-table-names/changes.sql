INSERT INTO ctl.commands VALUES ('l1','log','{"message":"at {}"}');
-- oracle: wait
INSERT INTO between VALUES (1);
INSERT INTO ctl.commands VALUES ('b1','execute-snapshot','{"data-collections":["ctl.commands","public.t"],"type":"blocking"}');
-- oracle: sleep 1500
-- oracle: wait
UPDATE ctl.commands SET what='x' WHERE key='old';
DELETE FROM ctl.commands WHERE key='l1';
INSERT INTO t VALUES (9,'nine',9);
