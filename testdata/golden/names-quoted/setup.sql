CREATE SCHEMA "Odd Schema";
CREATE TABLE "Odd Schema"."Odd Table" ("Id" int PRIMARY KEY, "from" text, "a.b" int, "c-d" int, "é" text, "1x" int);
INSERT INTO "Odd Schema"."Odd Table" VALUES (1,'f',2,3,'é',4);
