CREATE TABLE a_empty (id int PRIMARY KEY);
CREATE TABLE b (id int PRIMARY KEY, v text); INSERT INTO b VALUES (1,'x');
CREATE TABLE c_empty (id int PRIMARY KEY);
CREATE TABLE d (id int PRIMARY KEY, v text); INSERT INTO d VALUES (1,'x'),(2,'y'),(3,'z');
CREATE TABLE e (id int PRIMARY KEY); INSERT INTO e VALUES (5);
CREATE TABLE f_empty (id int PRIMARY KEY);
