CREATE TABLE sig (id varchar(42) PRIMARY KEY, type varchar(32) NOT NULL, data varchar(2048));
CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT g, 'v' || g FROM generate_series(1,9) g;
CREATE FUNCTION during() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
 IF NEW.type = 'snapshot-window-close' THEN UPDATE t SET id = id + 100 WHERE id IN (1,6); UPDATE t SET id = 0 WHERE id = 9; END IF; RETURN NEW; END $$;
CREATE TRIGGER during BEFORE INSERT ON sig FOR EACH ROW EXECUTE FUNCTION during();
