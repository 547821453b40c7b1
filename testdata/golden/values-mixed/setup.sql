CREATE SCHEMA app;
CREATE TYPE app.state AS ENUM ('open', 'in progress', 'done');
CREATE TABLE app.tickets (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  state app.state NOT NULL DEFAULT 'open',
  previous app.state,
  doc jsonb NOT NULL DEFAULT '{}',
  raw json,
  blob bytea,
  tags text[],
  scores integer[] DEFAULT '{1,2}',
  big bigint[], flags boolean[], ids uuid[], words varchar(10)[], small smallint[], ratios double precision[],
  letter char(3), code "char", nm name);
INSERT INTO app.tickets VALUES
  ('00000000-0000-4000-8000-000000000001', 'open', NULL, '{"a": [1, 2.50, null], "ü": "\u00e9\n"}', '{ "keep":  "spaces" }',
   '\x00ff10', '{a,"b c",NULL,"q\"uote",""}', DEFAULT, '{9223372036854775807,-1}', '{t,f,NULL}', '{00000000-0000-4000-8000-00000000000a}',
   '{abc,NULL}', '{1,-2}', '{1.5,-0,NaN,Infinity}', 'ab', 'x', 'a_name'),
  ('00000000-0000-4000-8000-000000000002', 'done', 'in progress', '[]', NULL, '\x', '{}', NULL, '{}', '{}', '{}', '{}', '{}', '{}', NULL, NULL, NULL);
