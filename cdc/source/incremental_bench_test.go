package source_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-cdc/tandem/cdc/source"
	"github.com/tandem-cdc/tandem/internal/pgserver/pgtest"
	"github.com/tandem-cdc/tandem/schema"
)

// BenchmarkIncremental reads a table of a million rows in chunks of 10,000.
func BenchmarkIncremental(b *testing.B) {
	const rows = 1_000_000
	database := pgtest.Database(b)
	conn, err := pgx.Connect(b.Context(), database)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(b.Context(), signalTable+fmt.Sprintf("CREATE TABLE t (id int PRIMARY KEY, a text, b numeric(9,2), c timestamptz); INSERT INTO t SELECT g, 'row number ' || g, g, now() FROM generate_series(1, %d) g; ANALYZE t", rows)); err != nil {
		b.Fatal(err)
	}
	for n := 0; b.Loop(); n++ {
		benchmarkIncremental(b, database, conn, n, rows)
	}
	b.ReportMetric(float64(b.N*rows)/b.Elapsed().Seconds(), "rows/s")
}

func benchmarkIncremental(b *testing.B, database string, conn *pgx.Conn, n int, rows uint64) {
	u, err := url.Parse(database)
	if err != nil {
		b.Fatal(err)
	}
	password, _ := u.User.Password()
	name := strings.TrimPrefix(u.Path, "/")
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	out := &discard{rows: rows, stop: cancel}
	task, err := source.NewTask(map[string]string{"name": "test", "topic.prefix": "p", "database.hostname": u.Hostname(), "database.port": u.Port(), "database.user": u.User.Username(),
		"database.password": password, "database.dbname": name, "slot.name": name, "snapshot.mode": "no_data", "signal.data.collection": "public.sig", "incremental.snapshot.chunk.size": "10000"},
		source.Env{Connector: "test", Log: slog.New(slog.DiscardHandler), StoredOffset: func(context.Context, []byte) ([]byte, error) { return nil, nil }})
	if err != nil {
		b.Fatal(err)
	}
	go func() {
		const streams = "SELECT count(*) FROM pg_stat_replication r JOIN pg_replication_slots s ON s.active_pid = r.pid WHERE s.slot_name = $1 AND r.state = 'streaming'"
		for streaming := 0; streaming == 0; {
			if err := conn.QueryRow(ctx, streams, name).Scan(&streaming); err != nil {
				b.Error(err)
				return
			}
		}
		if _, err := conn.Exec(ctx, "INSERT INTO sig VALUES ($1, 'execute-snapshot', '{\"data-collections\":[\"public.t\"]}')", fmt.Sprint("bench", n)); err != nil && ctx.Err() == nil {
			b.Error(err)
		}
	}()
	if err := task.Run(ctx, out); err != nil {
		b.Fatal(err)
	}
}

// discard is an Emitter that writes nothing, and stops the task after so many records.
type discard struct {
	rows, n uint64
	stop    context.CancelFunc
}

func (d *discard) Stream(string, int32, *schema.Schema, *schema.Schema, []schema.Header) (int, error) {
	return 0, nil
}
func (d *discard) Begin(int) (key, value schema.Writer) { return nowhere{}, nowhere{} }
func (d *discard) Flush() error                         { return nil }
func (d *discard) End([]schema.Header) error {
	if d.n++; d.n == d.rows {
		d.stop()
	}
	return nil
}

// nowhere takes values.
type nowhere struct{}

func (nowhere) Null()           {}
func (nowhere) Bool(bool)       {}
func (nowhere) Int(int64)       {}
func (nowhere) Float32(float32) {}
func (nowhere) Float64(float64) {}
func (nowhere) Text([]byte)     {}
func (nowhere) String(string)   {}
func (nowhere) Bytes([]byte)    {}
func (nowhere) BeginStruct()    {}
func (nowhere) EndStruct()      {}
func (nowhere) BeginArray(int)  {}
func (nowhere) EndArray()       {}
func (nowhere) BeginMap(int)    {}
func (nowhere) EndMap()         {}
func (nowhere) Err() error      { return nil }
