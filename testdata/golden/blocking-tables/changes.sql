-- oracle: signal {"id":"b1","type":"execute-snapshot","data":{"data-collections":["PUBLIC.*"],"type":"blocking"}}
INSERT INTO a VALUES (3,'z');
