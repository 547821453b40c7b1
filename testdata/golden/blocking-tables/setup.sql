CREATE TABLE a (id int PRIMARY KEY, v text); INSERT INTO a VALUES (1,'x'),(2,'y');
CREATE TABLE b (id int PRIMARY KEY, v text); INSERT INTO b VALUES (1,'x');
CREATE TABLE c (id int PRIMARY KEY, v text); INSERT INTO c VALUES (1,'x');
