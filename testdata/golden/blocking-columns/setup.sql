CREATE TABLE a (id int PRIMARY KEY, v text, secret text); INSERT INTO a VALUES (1,'x','s'),(2,'y','s');
CREATE TABLE b (id int PRIMARY KEY, v text); INSERT INTO b VALUES (1,'x'),(2,'y');
