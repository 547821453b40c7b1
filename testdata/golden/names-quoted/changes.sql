UPDATE "Odd Schema"."Odd Table" SET "from" = 'g';
UPDATE "Odd Schema"."Odd Table" SET "Id" = 2;
