-- A busy hour: 600 transactions. Orders come in, some are shipped, a few are withdrawn with all their items.
\set QUIET on
SET synchronous_commit = off;
SELECT format($$
	WITH o AS (INSERT INTO store.orders (order_ref, customer_id, order_status, order_date, required_date, store_id, staff_id)
		VALUES (gen_random_uuid(), %s, 1, current_date, current_date + 3, %s, 1) RETURNING order_id)
	INSERT INTO store.order_items SELECT order_id, i, 1 + (i * %s) %% 5, i, 9.99 * i FROM o, generate_series(1, 3) i
	$$, 1 + n % 5, 1 + n % 2, n),
	CASE WHEN n % 3 = 0 THEN
	'UPDATE store.orders SET order_status = 4, shipped_date = current_date WHERE order_id = (SELECT max(order_id) FROM store.orders WHERE order_status = 1)'
	WHEN n % 7 = 0 THEN 'DELETE FROM store.orders WHERE order_id = (SELECT min(order_id) FROM store.orders)' END,
	CASE WHEN n % 10 = 0 THEN 'SELECT pg_sleep(0.1)' END
FROM generate_series(1, 600) n \gexec
