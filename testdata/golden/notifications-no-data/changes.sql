INSERT INTO b VALUES (2,'two');
-- oracle: restart
INSERT INTO b VALUES (3,'three');
