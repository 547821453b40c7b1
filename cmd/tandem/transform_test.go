package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/tandem-cdc/tandem/connect"
	"github.com/tandem-cdc/tandem/internal/pgserver/pgtest"
)

// TestTransformsEndToEnd: one table is captured, and applied three times: unwrapped in front of the sink, under another topic's name too, and
// as rows that were unwrapped at the source.
func TestTransformsEndToEnd(t *testing.T) {
	if testing.Short() {
		t.Skip("starts servers; not with -short")
	}
	source, target := pgtest.Database(t), pgtest.Database(t)
	if err := executeSQL(t.Context(), source, "CREATE TABLE orders (id int PRIMARY KEY, note text, price numeric(8,2)); INSERT INTO orders VALUES (1,'one',1.5),(2,NULL,2),(3,'three',NULL)"); err != nil {
		t.Fatal(err)
	}
	s, err := startStack(t.TempDir(), false, slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})))
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	ctx, stop := context.WithCancel(t.Context())
	var failure error
	err = s.host.run(ctx, func(ctx context.Context, w *connect.Standalone) error {
		defer stop()
		failure = transformsEndToEnd(ctx, w, source, target)
		return nil
	})
	if err != nil || failure != nil {
		t.Error(errors.Join(failure, err))
	}
}

func transformsEndToEnd(ctx context.Context, w *connect.Standalone, source, target string) error {
	for _, r := range []connect.Request{
		{Name: "plain", Config: captures(source, "plain", nil)},
		{Name: "rows", Config: captures(source, "rows", map[string]string{"transforms": "u", "transforms.u.type": "io.debezium.transforms.ExtractNewRecordState", "transforms.u.add.fields": "op"})},
		{Name: "unwrap", Config: applies(target, `plain\..*`, "unwrapped", map[string]string{"transforms": "u", "transforms.u.type": "io.debezium.transforms.ExtractNewRecordState"})},
		{Name: "route", Config: applies(target, `plain\..*`, "${topic}", map[string]string{"transforms": "r,u", "transforms.u.type": "io.debezium.transforms.ExtractNewRecordState",
			"transforms.r.type": "io.debezium.transforms.ByLogicalTableRouter", "transforms.r.topic.regex": `plain\.public\.(.*)`, "transforms.r.topic.replacement": "routed_$1", "transforms.r.key.enforce.uniqueness": "false"})},
		{Name: "apply", Config: applies(target, `rows\..*`, "from_rows", nil)},
	} {
		if _, err := w.Create(ctx, r); err != nil {
			return fmt.Errorf("create %s: %w", r.Name, err)
		}
	}
	if err := rowsBecome(ctx, target, "1 one 1.50|2 <nil> 2.00|3 three <nil>"); err != nil {
		return err
	}
	if err := executeSQL(ctx, source, "UPDATE orders SET note = 'two' WHERE id = 2; UPDATE orders SET id = 30 WHERE id = 3; DELETE FROM orders WHERE id = 1; INSERT INTO orders VALUES (4,'four',-4.25)"); err != nil {
		return err
	}
	return rowsBecome(ctx, target, "2 two 2.00|4 four -4.25|30 three <nil>")
}

func captures(database, prefix string, extra map[string]string) map[string]string {
	u, _ := url.Parse(database)
	word, _ := u.User.Password()
	props := map[string]string{
		"connector.class": "io.debezium.connector.postgresql.PostgresConnector", "topic.prefix": prefix, "slot.name": "transform_" + prefix, "publication.name": prefix,
		"database.hostname": u.Hostname(), "database.port": u.Port(), "database.user": u.User.Username(), "database.password": word, "database.dbname": strings.TrimPrefix(u.Path, "/"),
		"topic.creation.default.partitions": "1", "topic.creation.default.replication.factor": "1",
	}
	maps.Copy(props, extra)
	return props
}

func applies(database, topics, table string, extra map[string]string) map[string]string {
	u, _ := url.Parse(database)
	word, _ := u.User.Password()
	props := map[string]string{
		"connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector", "topics.regex": topics,
		"connection.url": "jdbc:postgresql://" + u.Host + u.Path, "connection.username": u.User.Username(), "connection.password": word,
		"insert.mode": "upsert", "primary.key.mode": "record_key", "delete.enabled": "true", "schema.evolution": "basic", "collection.name.format": table,
		"consumer.override.metadata.max.age.ms": "500",
	}
	maps.Copy(props, extra)
	return props
}

// rowsBecome waits until the three copies of the table hold these rows.
func rowsBecome(ctx context.Context, target, want string) error {
	conn, err := pgx.Connect(ctx, target)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	ticks := time.NewTicker(20 * time.Millisecond)
	defer ticks.Stop()
	deadline := time.After(time.Minute)
	wanted := []string{"unwrapped: " + want, "routed_orders: " + want, "from_rows: " + want}
	for {
		var got []string
		for _, table := range []string{"unwrapped", "routed_orders", "from_rows"} {
			text := "no table"
			var rows []string
			result, err := conn.Query(ctx, "SELECT id, note, price::text FROM "+table+" ORDER BY id")
			if err == nil {
				rows, err = pgx.CollectRows(result, func(row pgx.CollectableRow) (string, error) {
					values, err := row.Values()
					return strings.TrimSpace(fmt.Sprintln(values...)), err
				})
			}
			if err == nil {
				text = strings.Join(rows, "|")
			}
			got = append(got, table+": "+text)
		}
		if cmp.Equal(wanted, got) {
			return nil
		}
		select {
		case <-ticks.C:
		case <-ctx.Done():
			return ctx.Err()
		case <-deadline:
			return fmt.Errorf("the tables differ (-want +got):\n%s", cmp.Diff(wanted, got))
		}
	}
}
