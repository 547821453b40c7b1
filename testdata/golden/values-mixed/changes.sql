INSERT INTO app.tickets (id, doc, tags) VALUES ('00000000-0000-4000-8000-000000000003', '"text"', ARRAY['x', NULL]);
UPDATE app.tickets SET state = 'in progress', previous = state, doc = doc || '{"b": true}' WHERE id = '00000000-0000-4000-8000-000000000001';
UPDATE app.tickets SET blob = decode(repeat('a5', 70), 'hex'), scores = NULL, tags = tags || 'more'::text WHERE previous IS NOT NULL;
DELETE FROM app.tickets WHERE state = 'done';
ALTER TYPE app.state ADD VALUE 'lost' AFTER 'open';
INSERT INTO app.tickets (id, state) VALUES ('00000000-0000-4000-8000-000000000004', 'lost');
DELETE FROM app.tickets;
