package pgoutput_test

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	"golang.org/x/tools/txtar"

	"github.com/tandem-cdc/tandem/internal/golden"
	"github.com/tandem-cdc/tandem/internal/pgserver/pgtest"
)

var record = flag.Bool("record", false, "run the SQL of the golden files in a server and rewrite what it sends")

// TestRecord checks on a real server that the SQL of the golden files still makes messages that decode; with -record it also replaces the
// recorded ones of the files whose name ends in the server's major version.
func TestRecord(t *testing.T) {
	server := majorVersion(t)
	for _, file := range golden.Files(t, "testdata/*.txtar") {
		_, version, recorded := strings.Cut(file.Name, "_pg")
		if major, err := strconv.Atoi(version); !recorded || err != nil || major > server {
			continue // made by hand, or of a newer server
		}
		t.Run(file.Name, func(t *testing.T) {
			messages := recordCase(t, file)
			decodeAll(t, messages)
			if *record && version == strconv.Itoa(server) {
				rewrite(t, file.Path, messages)
			}
		})
	}
}

// majorVersion is that of the test server.
func majorVersion(t *testing.T) int {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, pgtest.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	var number int
	if err := conn.QueryRow(ctx, "SELECT current_setting('server_version_num')::int").Scan(&number); err != nil {
		t.Fatal(err)
	}
	return number / 10000
}

// recordCase runs the SQL of a file in a new database and returns what the slot sends.
func recordCase(t *testing.T, file *golden.File) [][]byte {
	t.Helper()
	ctx := context.Background()
	dsn := pgtest.Database(t)
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	slot := "rec_" + strings.ToLower(strings.NewReplacer("-", "_").Replace(conn.Config().Database))
	for _, sql := range []string{file.Text("setup.sql"), "CREATE PUBLICATION p FOR ALL TABLES", "SELECT pg_create_logical_replication_slot('" + slot + "', 'pgoutput')", file.Text("changes.sql")} {
		run(t, conn, sql)
	}
	var end string // of what was inserted, though maybe not written yet
	if err := conn.QueryRow(ctx, "SELECT pg_current_wal_insert_lsn()::text").Scan(&end); err != nil {
		t.Fatal(err)
	}
	until, err := pglogrepl.ParseLSN(end)
	if err != nil {
		t.Fatal(err)
	}
	return receive(t, dsn, slot, until, file.Lines("options"))
}

// run executes statements; each ends with a line that ends in a semicolon and is a transaction of its own, unless it says BEGIN.
func run(t *testing.T, conn *pgx.Conn, script string) {
	t.Helper()
	for statement := range strings.SplitSeq(script, ";\n") {
		if strings.TrimSpace(statement) == "" {
			continue
		}
		if _, err := conn.PgConn().Exec(context.Background(), statement).ReadAll(); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

// receive reads with the library's client, not ours, up to the keepalive that stands at until.
func receive(t *testing.T, dsn, slot string, until pglogrepl.LSN, options []string) [][]byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	conn, err := pgconn.Connect(ctx, dsn+"&replication=database&timezone=UTC")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	args := append([]string{"proto_version '1'", "publication_names 'p'", "messages 'true'"}, options...)
	if err := pglogrepl.StartReplication(ctx, conn, slot, 0, pglogrepl.StartReplicationOptions{PluginArgs: args}); err != nil {
		t.Fatal(err)
	}
	var messages [][]byte
	for {
		raw, err := conn.ReceiveMessage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		data, ok := raw.(*pgproto3.CopyData)
		if !ok {
			t.Fatalf("received %T, want CopyData", raw)
		}
		switch data.Data[0] {
		case pglogrepl.PrimaryKeepaliveMessageByteID:
			k, err := pglogrepl.ParsePrimaryKeepaliveMessage(data.Data[1:])
			if err != nil {
				t.Fatal(err)
			}
			if k.ServerWALEnd >= until {
				return messages
			}
		case pglogrepl.XLogDataByteID:
			x, err := pglogrepl.ParseXLogData(data.Data[1:])
			if err != nil {
				t.Fatal(err)
			}
			messages = append(messages, append(binary.BigEndian.AppendUint64(nil, uint64(x.WALStart)), x.WALData...))
		}
	}
}

func rewrite(t *testing.T, path string, messages [][]byte) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var hexes strings.Builder
	for _, m := range messages {
		fmt.Fprintf(&hexes, "%s %s %s\n", hex.EncodeToString(m[:8]), hex.EncodeToString(m[8:9]), hex.EncodeToString(m[9:]))
	}
	a := txtar.Parse(text)
	for i := range a.Files {
		if a.Files[i].Name == "wal.hex" {
			a.Files[i].Data = []byte(hexes.String())
			if err := os.WriteFile(path, txtar.Format(a), 0o644); err != nil {
				t.Fatal(err)
			}
			return
		}
	}
	a.Files = append(a.Files, txtar.File{Name: "wal.hex", Data: []byte(hexes.String())})
	if err := os.WriteFile(path, txtar.Format(a), 0o644); err != nil {
		t.Fatal(err)
	}
}
