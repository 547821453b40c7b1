package envelope_test

import (
	"context"
	_ "embed"
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/cdc/catalog"
	"github.com/tandem-cdc/tandem/cdc/pgoutput"
	"github.com/tandem-cdc/tandem/envelope"
	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/internal/golden"
	"github.com/tandem-cdc/tandem/internal/pgserver/pgtest"
	"github.com/tandem-cdc/tandem/schema"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m).Run()) }

// TestReplay runs what Debezium 3.7.0 was run with against a real server and compares with what it emitted: testdata/replay holds the
// keys, values and schemas of its records. Positions, times and transaction ids are not this package's.
func TestReplay(t *testing.T) {
	for _, f := range golden.Files(t, "testdata/replay/*.txtar") {
		t.Run(f.Name, func(t *testing.T) {
			props, err := config.ParseProperties(f.Text("connector.properties"))
			if err != nil {
				t.Fatal(err)
			}
			f.Check(t, "records", replay(t, props, f.Text("setup.sql"), f.Text("changes.sql")))
		})
	}
}

// recording is the Emitter that keeps records as text.
type recording struct {
	streams []stream
	seen    map[string]bool
	out     strings.Builder
	at      int
	key     *schema.Builder
	value   *schema.Builder
}

type stream struct {
	topic      string
	key, value *schema.Schema
	headers    []schema.Header
}

func (r *recording) Stream(topic string, _ int32, key, value *schema.Schema, headers []schema.Header) (int, error) {
	r.streams = append(r.streams, stream{topic, key, value, headers})
	return len(r.streams) - 1, nil
}

func (r *recording) Begin(handle int) (key, value schema.Writer) {
	s := &r.streams[handle]
	r.at, r.key, r.value = handle, nil, nil
	if s.key != nil {
		r.key = schema.NewBuilder(s.key)
		key = r.key
	}
	if s.value != nil {
		r.value = schema.NewBuilder(s.value)
		value = r.value
	}
	return key, value
}

func (r *recording) End(first []schema.Header) error {
	s := &r.streams[r.at]
	line := record{topic: s.topic, key: "null", value: "null", headers: len(s.headers) + len(first)}
	if r.key != nil {
		if err := r.key.Err(); err != nil {
			return err
		}
		line.key, line.keySchema = valueJSON(s.key, r.key.Value()), schemaJSON(s.key)
	}
	if r.value != nil {
		if err := r.value.Err(); err != nil {
			return err
		}
		line.value, line.valueSchema = valueJSON(s.value, r.value.Value()), schemaJSON(s.value)
	}
	for _, h := range first {
		line.first = append(line.first, h.Key+"="+valueJSON(h.Schema, h.Value))
	}
	r.write(line)
	return nil
}

func (r *recording) Flush() error { return nil }

// record is one record in JSON.
type record struct {
	topic, key, value      string
	keySchema, valueSchema string
	first                  []string
	headers                int
}

// volatile is what differs from run to run, or belongs to the caller of the encoder: positions, times, transaction ids.
var volatile = regexp.MustCompile(`,"source":\{.*?"table":("(?:[^"\\]|\\.)*").*?\},"transaction":(null|\{[^}]*\})`)

var (
	times         = regexp.MustCompile(`("ts_(?:ms|us|ns)"):-?\d+`)
	transactionID = regexp.MustCompile(`("id"):"-?\d+:\d+"`)
)

func (r *recording) write(line record) {
	if r.seen == nil {
		r.seen = make(map[string]bool)
	}
	for _, s := range []string{line.keySchema, line.valueSchema} {
		if s != "" && !r.seen[s] {
			r.seen[s] = true
			fmt.Fprintf(&r.out, "schema %s\n", shorten(s))
		}
	}
	if line.topic != "" {
		mask := func(s string) string {
			s = volatile.ReplaceAllStringFunc(s, func(m string) string {
				parts := volatile.FindStringSubmatch(m)
				return `,"table":` + parts[1] + `,"transaction":` + parts[2]
			})
			return transactionID.ReplaceAllString(times.ReplaceAllString(s, `$1:0`), `$1:"tx"`)
		}
		fmt.Fprintf(&r.out, "%s\n  key %s\n  value %s\n  headers %d %s\n", line.topic, mask(line.key), mask(line.value), line.headers, strings.Join(line.first, " "))
	}
}

// shorten replaces what all envelopes share: after's schema, which is before's, and the blocks behind it.
func shorten(s string) string {
	rest, ok := strings.CutPrefix(s, `{"type":"struct","fields":[`)
	i := strings.Index(rest, `,"field":"before"},`)
	if !ok || i < 0 {
		return s
	}
	row := rest[:i]
	tail, ok := strings.CutPrefix(rest[i:], `,"field":"before"},`+row+`,"field":"after"},`+strings.TrimSpace(blocks)+`],`)
	if !ok {
		return s
	}
	return "envelope {" + tail + " row " + row + "}"
}

//go:embed testdata/blocks.json
var blocks string // schemas of source, transaction, op and times, as Debezium's envelopes have them

// replay runs a case against a real server: the rows a SELECT finds after setup, then the changes as the slot hands them out.
func replay(t *testing.T, props map[string]string, setup, changes string) string {
	ctx := context.Background()
	conn := connect(t)
	for _, sql := range statements(setup) {
		mustExec(t, conn, sql)
	}
	mustExec(t, conn, "SET timezone = 'UTC'")
	slot := "env_" + strings.ReplaceAll(conn.Config().Database, "-", "_")
	mustExec(t, conn, "CREATE PUBLICATION p FOR ALL TABLES")
	mustExec(t, conn, "SELECT pg_create_logical_replication_slot('"+slot+"', 'pgoutput')")
	defer conn.Exec(ctx, "SELECT pg_drop_replication_slot($1)", slot)

	side, err := pgx.Connect(ctx, conn.Config().ConnString())
	if err != nil {
		t.Fatal(err)
	}
	defer side.Close(ctx)
	mustExec(t, side, "SET timezone = 'UTC'")
	cat := catalog.New(side)
	if err := cat.LoadTypes(ctx); err != nil {
		t.Fatal(err)
	}
	rec := &recording{}
	p := &player{t: t, conn: side, cat: cat, slot: slot, props: props, decoder: pgoutput.NewDecoder(), plans: map[*cdc.Relation]*envelope.Plan{}}
	p.encoder = newEncoder(t, props, rec, cat)
	if err := p.snapshot(ctx); err != nil {
		return rec.out.String() + "failure\n"
	}
	for _, sql := range statements(changes) {
		mustExec(t, conn, strings.ReplaceAll(sql, ":'slot'", "'"+slot+"'"))
		if conn.PgConn().TxStatus() == 'I' {
			if err := p.drain(ctx); err != nil {
				t.Log(err)
				return rec.out.String() + "failure\n"
			}
		}
	}
	return rec.out.String()
}

func connect(t *testing.T) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), pgtest.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func mustExec(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.PgConn().Exec(context.Background(), sql).ReadAll(); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func newEncoder(t testing.TB, props map[string]string, out envelope.Emitter, types cdc.Types) *envelope.Encoder {
	t.Helper()
	cfg := envelope.DefaultConfig()
	if r := cfg.Keys().Parse(props, "table.include.list", "oracle."); r.Err() != nil || len(r.Warnings) > 0 {
		t.Fatalf("parse %v: %v %v", props, r.Err(), r.Warnings)
	}
	var r config.Report
	cfg.Complete(props, &r)
	if r.Err() != nil {
		t.Fatal(r.Err())
	}
	cfg.Database, cfg.RunID, cfg.Log = "db", "run", slog.New(slog.DiscardHandler)
	e, err := envelope.New(cfg, out, types)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// player feeds an Encoder.
type player struct {
	t       *testing.T
	conn    *pgx.Conn
	cat     *catalog.Catalog
	slot    string
	props   map[string]string
	decoder *pgoutput.Decoder
	encoder *envelope.Encoder
	plans   map[*cdc.Relation]*envelope.Plan
	batch   cdc.Batch
	at      envelope.Source
}

func (p *player) captured(table string) bool {
	list := config.SplitList(p.props["table.include.list"])
	return len(list) == 0 && table != "public.spatial_ref_sys" || slices.ContainsFunc(list, func(re string) bool {
		return regexp.MustCompile(`(?i)^(?:` + re + `)$`).MatchString(table)
	})
}

func (p *player) snapshot(ctx context.Context) error {
	tables, err := p.cat.Tables(ctx)
	if err != nil {
		return err
	}
	for _, tn := range tables {
		if !p.captured(tn.Schema + "." + tn.Name) {
			continue
		}
		rel, table, _, err := p.cat.ByName(ctx, tn.Schema, tn.Name)
		if err != nil {
			return err
		}
		plan, err := p.encoder.Plan(rel, table)
		if err != nil {
			return err
		}
		var columns []string
		for _, col := range rel.Columns {
			columns = append(columns, pgx.Identifier{col.Name}.Sanitize())
		}
		if len(columns) == 0 {
			continue
		}
		sql := "SELECT " + strings.Join(columns, ", ") + " FROM " + pgx.Identifier{tn.Schema, tn.Name}.Sanitize()
		rows, err := p.conn.PgConn().Exec(ctx, sql).ReadAll()
		if err != nil {
			return err
		}
		for _, row := range rows[0].Rows {
			change := cdc.Change{Kind: cdc.Read, Relation: rel, New: tuple(row)}
			at := envelope.Source{HasTx: true, HasLSN: true, LSN: 1, Snapshot: cdc.MarkTrue}
			if _, err := p.encoder.Encode(plan, &change, &at); err != nil {
				return err
			}
		}
	}
	return nil
}

func tuple(row [][]byte) cdc.Tuple {
	out := make(cdc.Tuple, len(row))
	for i, v := range row {
		if v != nil {
			out[i] = cdc.Datum{Kind: cdc.Text, Bytes: v}
		}
	}
	return out
}

// drain reads what the slot holds.
func (p *player) drain(ctx context.Context) error {
	rows, err := p.conn.Query(ctx, `SELECT lsn::text, data FROM pg_logical_slot_get_binary_changes($1, NULL, NULL, 'proto_version', '1', 'publication_names', 'p', 'messages', 'true')`, p.slot)
	if err != nil {
		return err
	}
	type message struct {
		LSN  string
		Data []byte
	}
	messages, err := pgx.CollectRows(rows, pgx.RowToStructByPos[message])
	if err != nil {
		return err
	}
	for _, m := range messages {
		lsn, err := cdc.ParseLSN(m.LSN)
		if err != nil {
			return err
		}
		p.batch.Reset()
		if err := p.decoder.Decode(lsn, m.Data, &p.batch); err != nil {
			return err
		}
		for i := range p.batch.Changes {
			if err := p.change(ctx, &p.batch.Changes[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *player) change(ctx context.Context, c *cdc.Change) (err error) {
	p.at.LSN, p.at.HasLSN, p.at.Micros, p.at.TxID, p.at.HasTx = c.LSN, true, c.CommitTime, int64(c.XID), true
	switch c.Kind {
	case cdc.Announce:
		table, err := p.cat.Table(ctx, c.Relation)
		if err != nil {
			return err
		}
		if err := p.cat.LoadTypes(ctx); err != nil {
			return err
		}
		if !p.captured(c.Relation.Schema + "." + c.Relation.Name) {
			return nil
		}
		p.plans[c.Relation], err = p.encoder.Plan(c.Relation, table)
		return err
	case cdc.Begin:
		_, err = p.encoder.Begin(&p.at)
	case cdc.Commit:
		_, err = p.encoder.End(&p.at)
	case cdc.Message:
		p.at.HasTx = c.Transactional
		_, err = p.encoder.Message(c, &p.at)
	default:
		if plan := p.plans[c.Relation]; plan != nil {
			_, err = p.encoder.Encode(plan, c, &p.at)
		}
	}
	return err
}

// statements splits SQL at semicolons outside of quotes; lines that begin with -- are dropped.
func statements(sql string) []string {
	var out []string
	var b strings.Builder
	var lines []string
	for line := range strings.SplitSeq(sql, "\n") {
		if !strings.HasPrefix(line, "--") {
			lines = append(lines, line)
		}
	}
	sql = strings.Join(lines, "\n")
	quote := ""
	for i := 0; i < len(sql); i++ {
		switch {
		case quote == "" && (sql[i] == '\'' || sql[i] == '"'):
			quote = sql[i : i+1]
		case quote == "" && strings.HasPrefix(sql[i:], "$$"):
			quote = "$$"
			b.WriteByte(sql[i])
			i++
		case quote != "" && strings.HasPrefix(sql[i:], quote):
			if quote == "$$" {
				b.WriteByte(sql[i])
				i++
			}
			quote = ""
		case quote == "" && sql[i] == ';':
			out = append(out, strings.TrimSpace(b.String()))
			b.Reset()
			continue
		}
		b.WriteByte(sql[i])
	}
	if rest := strings.TrimSpace(b.String()); rest != "" {
		out = append(out, rest)
	}
	return out
}
