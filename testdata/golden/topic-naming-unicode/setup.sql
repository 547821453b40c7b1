CREATE TABLE "жук_ű" (id int PRIMARY KEY, "жук" int, "ű_x" text, "日本" int, "a😀b" int, "tab	x" int, "é" int, "٣" int);
INSERT INTO "жук_ű" VALUES (1,2,3,4,5,6,7,8);
CREATE TABLE plain_t (id int);
INSERT INTO plain_t VALUES (1);
