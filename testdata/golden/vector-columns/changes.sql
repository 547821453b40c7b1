INSERT INTO t VALUES (2,'[1,2,3]','[0.1,0.2]','{1:1.25,4:2}/4','[7]');
ALTER TABLE t ADD v2 vector(2) DEFAULT '[1,2]';
INSERT INTO t VALUES (3,'[1,2,3]','[0.1,0.2]','{1:1.25,4:2}/4','[7]');
