package main

import "github.com/tandem-cdc/tandem/torture/history"

// tables are those that are captured.
var tables = []history.Table{
	{Name: "store.items", Key: []string{"id"}},
	{Name: "store.parts", Key: []string{"a", "b"}, Full: true},
	{Name: "store.stock", Key: []string{"id"}, Full: true, Rewritten: true},
	{Name: "store.shape", Key: []string{"id"}, Rewritten: true},
	{Name: "store.journal", Full: true},
	{Name: markerTable, Key: []string{"id"}},
	{Name: signalTable, Key: []string{"id"}, Unread: true},
}

// signalTable is where incremental snapshots are asked for, and where both captures write when they begin and end to read.
const signalTable = "store.signal"

// markerTable gets a row when a round's load has ended: what came before it has come when it has.
const markerTable = "store.marker"

// onePartition are the tables whose topics have one partition: a truncate has no key, and only there an order among the rows.
const onePartition = `.*\.store\.(stock|journal|marker)|.*\.(transaction|message)`

// sinkTables are those that are applied to the targets: those with a key.
const sinkTables = "items|parts|stock|shape|marker"

// schemaSQL makes the tables. Long values of column big are stored outside of the row as they are, so that updates leave them out of the WAL; the
// schema noise is not captured.
const schemaSQL = `
CREATE SCHEMA store;
CREATE SCHEMA noise;
CREATE TABLE store.items (id bigint PRIMARY KEY, n int NOT NULL, v bigint NOT NULL DEFAULT 1, mark text, amount numeric(12,2), ok bool, big text);
ALTER TABLE store.items ALTER big SET STORAGE EXTERNAL;
CREATE TABLE store.parts (a int, b text, n int, mark text, big text, PRIMARY KEY (a, b));
ALTER TABLE store.parts ALTER big SET STORAGE EXTERNAL, REPLICA IDENTITY FULL;
CREATE TABLE store.stock (id bigint PRIMARY KEY, n int, mark text);
ALTER TABLE store.stock REPLICA IDENTITY FULL;
CREATE TABLE store.shape (id bigint PRIMARY KEY, mark text, x1 int, y1 varchar(40));
CREATE TABLE store.journal (n int NOT NULL, who text NOT NULL, mark text NOT NULL);
ALTER TABLE store.journal REPLICA IDENTITY FULL;
CREATE TABLE store.marker (id bigint PRIMARY KEY, mark text);
CREATE TABLE store.signal (id text PRIMARY KEY, type text, data text);
CREATE TABLE noise.other (id bigserial PRIMARY KEY, mark text);
`

// fillSQL makes sure that there are rows to read by a snapshot, some of them with long values: few enough that a slow network brings a table
// between two faults.
const fillSQL = `
INSERT INTO store.items (id, n, mark, amount, ok, big) SELECT g, g % 1000, 'fill', g % 100, g % 2 = 0, CASE WHEN g % 40 = 0 THEN repeat(md5(g::text), 100) END
	FROM generate_series(1, 12000) g ON CONFLICT DO NOTHING;
INSERT INTO store.parts (a, b, n, mark, big) SELECT g % 300, 'fill ' || g, 1, 'fill', CASE WHEN g % 40 = 0 THEN repeat(md5(g::text), 80) END
	FROM generate_series(1, 6000) g ON CONFLICT DO NOTHING;
INSERT INTO store.stock SELECT g, 1, 'fill' FROM generate_series(1, 60) g ON CONFLICT DO NOTHING;
INSERT INTO store.shape (id, mark) SELECT g, 'fill' FROM generate_series(1, 200) g ON CONFLICT DO NOTHING;
INSERT INTO store.journal SELECT g % 5, 'who ' || g % 20, 'fill' FROM generate_series(1, 300) g;
`

// rolledBack begins the column mark of all that is written to be rolled back.
const rolledBack = "ROLLED BACK "
