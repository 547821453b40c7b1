CREATE TABLE sig (id varchar(42) PRIMARY KEY, type varchar(32) NOT NULL, data varchar(2048));
CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT g, 'v' || g FROM generate_series(1,9) g;
CREATE FUNCTION during() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
 IF NEW.type = 'snapshot-window-open' THEN UPDATE t SET v = v || '+' WHERE id IN (2,5,8); INSERT INTO t SELECT max(id)+1, 'new' FROM t HAVING max(id) < 12; END IF; RETURN NEW; END $$;
CREATE TRIGGER during AFTER INSERT ON sig FOR EACH ROW EXECUTE FUNCTION during();
