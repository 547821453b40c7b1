CREATE TABLE "1st" (id int PRIMARY KEY, "1st" int, "2nd" int, "٣" int, "x٣" int, "é" int, "日本" int);
INSERT INTO "1st" VALUES (1, 2, 3, 4, 5, 6, 7);
