-- Rows of the bike shop, the same ones on every server: what looks random comes from md5. Names are made up.
-- "SET bikestore.scale = '10'" before this file makes ten times as many products, customers and orders.
BEGIN;

-- pick gives a number from 0 to n-1 that depends on the seed alone.
CREATE FUNCTION pg_temp.pick(seed text, n int) RETURNS int LANGUAGE sql IMMUTABLE AS
$$ SELECT ('x' || substr(md5(seed), 1, 7))::bit(28)::int % n $$;

CREATE FUNCTION pg_temp.one_of(seed text, choices text[]) RETURNS text LANGUAGE sql IMMUTABLE AS
$$ SELECT choices[1 + pg_temp.pick(seed, cardinality(choices))] $$;

CREATE FUNCTION pg_temp.scale() RETURNS int LANGUAGE sql STABLE AS
$$ SELECT greatest(1, coalesce(nullif(current_setting('bikestore.scale', true), ''), '1')::int) $$;

INSERT INTO store.brands (brand_name) VALUES
    ('Blackthorn'), ('Cádiz & Sons'), ('Fjellrev'), ('Heron'), ('Kestrel Works'),
    ('Marlowe'), ('O''Dell'), ('Süderland'), ('Velouté');

INSERT INTO store.categories (category_name) VALUES
    ('Children''s Bicycles'), ('Comfort Bicycles'), ('Cruisers Bicycles'), ('Cyclocross Bicycles'),
    ('Electric Bikes'), ('Mountain Bikes'), ('Road Bikes');

INSERT INTO store.stores (store_name, phone, email, street, city, state, zip_code, opens_at) VALUES
    ('Santa Cruz Bikes', '(831) 555-0143', 'santacruz@bikes.example', '3700 Portola Drive', 'Santa Cruz', 'CA', '95060', '09:00'),
    ('Baldwin Bikes', '(516) 555-0179', 'baldwin@bikes.example', '4200 Chestnut Lane', 'Baldwin', 'NY', '11432', '08:30'),
    ('Rowlett Bikes', '(972) 555-0108', NULL, '8000 "Old Mill" Avenue', 'Rowlett', 'TX', '75088', '10:15:30.5');

INSERT INTO store.staffs (first_name, last_name, email, phone, active, store_id, manager_id) VALUES
    ('Fabiola', 'Jackson', 'fabiola.jackson@bikes.example', '(831) 555-0101', true, 1, NULL),
    ('Mireya', 'Copeland', 'mireya.copeland@bikes.example', '(831) 555-0102', true, 1, 1),
    ('Genna', 'Serrano', 'genna.serrano@bikes.example', NULL, true, 1, 2),
    ('Virgie', 'O''Neal', 'virgie.oneal@bikes.example', '(831) 555-0104', true, 1, 2),
    ('Jannette', 'Dávid', 'jannette.david@bikes.example', '(516) 555-0105', true, 2, 1),
    ('Marcelene', 'Boyer', 'marcelene.boyer@bikes.example', '(516) 555-0106', true, 2, 5),
    ('Venita', 'Daniel', 'venita.daniel@bikes.example', '(516) 555-0107', false, 2, 5),
    ('Kali', 'Vargas', 'kali.vargas@bikes.example', '(972) 555-0108', true, 3, 1),
    ('Layla', 'Terrell', 'layla.terrell@bikes.example', NULL, true, 3, 7),
    ('Bernardine', 'Houston', 'bernardine.houston@bikes.example', '(972) 555-0110', true, 3, 7);

-- 321 products; every third has a description of some thousand characters.
INSERT INTO store.products (product_name, brand_id, category_id, model_year, list_price, weight_kg, discontinued, specs, description, updated_at)
SELECT
    b.brand_name || ' ' || pg_temp.one_of('line' || i, '{Ridgeline,Boulevard,Paseo,Étape,Sprocket,Tundra,Lullaby,Gale,"Half Moon",Commuter,Wayfarer,Nørrebro}')
        || ' ' || pg_temp.one_of('size' || i, '{16\",20\",24\",26\",27.5,29,"29 Carbon",Disc,Frameset,Step-through}') || ' - ' || year,
    b.brand_id,
    1 + pg_temp.pick('category' || i, 7),
    year,
    (100 + pg_temp.pick('price' || i, 11900)) + (ARRAY[0.99, 0.00, 0.49, 0.95])[1 + i % 4],
    CASE WHEN i % 11 <> 0 THEN (60 + pg_temp.pick('weight' || i, 200)) / 10.0 END,
    year < 2023 AND i % 5 = 0,
    CASE WHEN i % 4 <> 0 THEN jsonb_build_object('gears', 1 + pg_temp.pick('gears' || i, 24), 'frame', pg_temp.one_of('frame' || i, '{steel,alloy,carbon}'),
        'colours', jsonb_build_array(pg_temp.one_of('c' || i, '{red,"sea green",black}'), 'naïve blue')) END,
    CASE WHEN i % 3 = 0 THEN
        (SELECT string_agg(pg_temp.one_of(i || 'sentence' || n, '{"The frame is welded by hand and guaranteed for ten years.",
            "Wide tyres roll over gravel, cobbles and the odd kerb.","Riders call it \"the quiet one\".","Brakes bite in rain and at 25 °C alike.",
            "It''s delivered assembled; pedals are in the box.","Finition soignée, câbles intégrés.","Lights run off the hub, day and night.",
            "Carries 25 kg behind and 10 kg in front.","The saddle suits most, and may be exchanged within 30 days.","Geschaltet wird mit dem Daumen.",
            "Not for jumps higher than a metre.","Colours differ a little from one year to the next."}'), ' ' ORDER BY n) FROM generate_series(1, 70) n)
    WHEN i % 3 = 1 THEN '' END,
    timestamptz '2025-01-01 08:00:00+00' + i * interval '37 minutes 11.123456 seconds'
FROM generate_series(1, 321 * pg_temp.scale()) i
CROSS JOIN LATERAL (SELECT 2021 + pg_temp.pick('year' || i, 5) AS year) y
JOIN store.brands b ON b.brand_id = 1 + pg_temp.pick('brand' || i, 9)
ORDER BY i;

INSERT INTO store.customers (first_name, last_name, phone, email, street, city, state, zip_code, newsletter, registered_at)
SELECT
    first, last,
    CASE WHEN i % 3 = 0 THEN format('(%s) 555-%s', 200 + pg_temp.pick('area' || i, 700), lpad(pg_temp.pick('phone' || i, 10000)::text, 4, '0')) END,
    lower(translate(first || '.' || last, 'ÉéèëöüÅøßŁłńçñíóáễ'' ', 'EeeeouAosLlncnioae__')) || i || '@' || pg_temp.one_of('host' || i, '{mail.example,post.example,example.com,example.org}'),
    CASE WHEN i % 50 <> 0 THEN (1 + pg_temp.pick('number' || i, 9800)) || ' ' ||
        pg_temp.one_of('street' || i, '{Thorne Ave.,Vine Street,"Rue de l''Église","West Beach Rd.",Königsallee,"\"B\" Street",Hill Crossing,"Lafayette Court",Main St.,South Lane,Peg Shop Road}') END,
    pg_temp.one_of('city' || i, '{Orchard Park,Campbell,Redondo Beach,Uniondale,Sacramento,Fairport,Buffalo,"Port Washington",San Ángelo,Houston,"La Cañada","Coeur d''Alene"}'),
    pg_temp.one_of('state' || i, '{NY,NY,NY,CA,CA,TX}'),
    lpad((10000 + pg_temp.pick('zip' || i, 85000))::text, 5, '0'),
    i % 4 = 1,
    timestamp '2021-03-01 10:00:00' + i * interval '1 day 3 hours 5.000001 seconds' / pg_temp.scale()
FROM generate_series(1, 1445 * pg_temp.scale()) i
CROSS JOIN LATERAL (SELECT
    pg_temp.one_of('first' || i, '{Debra,Kasha,Tameka,Daryl,Charolette,Lyndsey,Latasha,Jacquline,Genoveva,Pamelia,Zoë,José,Łukasz,"Anne-Marie",Bjørn,Chloé,Mei,Aarav,Olena,Tomás,Jürgen,Ngozi,Sione,Priya,Emily,Robena,Thea}') AS first,
    pg_temp.one_of('last' || i, '{Burks,Todd,Fisher,Spence,Rice,Bean,Hays,Duncan,Baldwin,Newman,O''Brien,D''Angelo,Müller,Nguyễn,García,Sørensen,"van der Berg","St. John",Kowalczyk,Okafor,Weiß,Núñez,Hollister,Ash,Kim}') AS last) n
ORDER BY i;

INSERT INTO store.orders (order_ref, customer_id, order_status, order_date, required_date, shipped_date, store_id, staff_id, note, placed_at)
SELECT
    md5('order' || i)::uuid,
    CASE WHEN i % 400 <> 0 THEN 1 + pg_temp.pick('customer' || i, 1445 * pg_temp.scale()) END,
    status,
    day,
    day + 1 + pg_temp.pick('required' || i, 3),
    CASE WHEN status = 4 THEN day + 1 + pg_temp.pick('shipped' || i, 2) END,
    store_id,
    CASE store_id WHEN 1 THEN 2 + pg_temp.pick('staff' || i, 3) WHEN 2 THEN 6 + i % 2 ELSE 8 + pg_temp.pick('staff' || i, 3) END,
    CASE WHEN i % 9 = 0 THEN replace(pg_temp.one_of('note' || i, '{"Ring twice, please","Cadeau – sans facture","Knock on door \"B\"; don''t ring","Gift for Zoë 🚲",C:\\\\bikes\\\\pickup,"two¶lines","  spaces  "}'), '¶', E'\n') END,
    (day + time '09:00' + pg_temp.pick('minute' || i, 540) * interval '1 minute') AT TIME ZONE 'UTC'
FROM generate_series(1, 1615 * pg_temp.scale()) i
CROSS JOIN LATERAL (SELECT
    date '2024-01-01' + (i::bigint * 700 / (1615 * pg_temp.scale()))::int AS day,
    CASE WHEN i > 1550 * pg_temp.scale() THEN 1 + i % 2 WHEN i % 36 = 0 THEN 3 ELSE 4 END AS status,
    1 + least(2, pg_temp.pick('store' || i, 4)) AS store_id) o
ORDER BY i;

-- One to five items an order, 4,700 in all; no product twice in one order.
INSERT INTO store.order_items (order_id, item_id, product_id, quantity, list_price, discount)
SELECT o.order_id, n, p.product_id, 1 + pg_temp.pick(o.order_id || 'quantity' || n, 2), p.list_price,
    (ARRAY[0.05, 0.07, 0.10, 0.20, 0])[1 + pg_temp.pick(o.order_id || 'discount' || n, 5)]
FROM store.orders o
CROSS JOIN LATERAL generate_series(1, 1 + least(4, pg_temp.pick('items' || o.order_id, 5))) n
JOIN store.products p ON p.product_id = 1 + (pg_temp.pick('product' || o.order_id, 321 * pg_temp.scale()) + n * 13) % (321 * pg_temp.scale())
ORDER BY o.order_id, n;

INSERT INTO store.stocks (store_id, product_id, quantity)
SELECT s.store_id, p.product_id, CASE WHEN pg_temp.pick('none' || p.product_id || s.store_id, 40) > 0 THEN pg_temp.pick('stock' || p.product_id || '/' || s.store_id, 31) END
FROM store.stores s CROSS JOIN store.products p
ORDER BY s.store_id, p.product_id;

DROP FUNCTION pg_temp.pick(text, int), pg_temp.one_of(text, text[]), pg_temp.scale();
COMMIT;
