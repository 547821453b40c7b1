package source

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/envelope"
)

func TestReselectConfig(t *testing.T) {
	base := map[string]string{"post.processors": "r", "r.type": reselectClass}
	for _, c := range []struct {
		name          string
		props         map[string]string
		option, wants string // of the error; "" when there is none
	}{
		{"as it is", nil, "", ""},
		{"another class", map[string]string{"r.type": "com.example.Mine"}, "r.type", "Remove \"r\" from post.processors"},
		{"no class", map[string]string{"post.processors": "r,s"}, "s.type", "needs a class"},
		{"no such mode", map[string]string{"r.reselect.error.handling.mode": "skip"}, "r.reselect.error.handling.mode", "want warn or fail"},
		{"no bool", map[string]string{"r.reselect.null.values": "yes"}, "r.reselect.null.values", "want true or false"},
		{"no expression", map[string]string{"r.reselect.columns.include.list": "("}, "r.reselect.columns.include.list", "("},
		{"no rows", map[string]string{"r.reselect.cache.max.size": "0"}, "r.reselect.cache.max.size", "from 1 on"},
		{"another cache", map[string]string{"r.reselect.cache.type": "com.example.Cache"}, "r.reselect.cache.type", "remove the option"},
		{"all of it", map[string]string{"r.reselect.error.handling.mode": "FAIL", "r.reselect.use.event.key": "true", "r.reselect.unavailable.values": "false", "r.reselect.null.values": "True",
			"r.reselect.cache.enabled": "true", "r.reselect.cache.ttl.ms": "5", "r.reselect.cache.max.columns.per.row": "2", "r.reselect.columns.exclude.list": "a,b"}, "", ""},
	} {
		props := make(map[string]string)
		for _, from := range []map[string]string{base, c.props} {
			for name, value := range from {
				props[name] = value
			}
		}
		cfg, report := Parse(props)
		said := ""
		for _, e := range report.Errors {
			if strings.HasPrefix(e.Name, "r.") || strings.HasPrefix(e.Name, "s.") || strings.HasPrefix(e.Name, "post") {
				said += e.Name + ": " + e.Message
			}
		}
		if c.option == "" && said != "" || c.option != "" && (!strings.HasPrefix(said, c.option+": ") || !strings.Contains(said, c.wants)) {
			t.Errorf("%s: Parse(%v) errors = %q, want %q that says %q", c.name, c.props, said, c.option, c.wants)
		}
		if c.name == "all of it" {
			p := *cfg.Reselect.processor("r")
			if !p.fail || !p.eventKey || p.unavailable || !p.nulls || !p.cached || p.cacheTTL != 5*time.Millisecond || p.cacheColumns != 2 || len(p.exclude) != 2 {
				t.Errorf("%s: Parse(%v) = %+v", c.name, c.props, p)
			}
		}
	}
	if _, report := Parse(map[string]string{"lost.type": reselectClass}); len(report.Warnings) == 0 {
		t.Error("Parse of a post-processor that post.processors does not list gives no warning")
	}
}

// TestReselectFailures: what the server refuses is said or fails, as configured; what the way to it does restarts the task in either mode.
func TestReselectFailures(t *testing.T) {
	refused := &pgconn.PgError{Code: "42P01", Message: "no such table"}
	for _, c := range []struct {
		name            string
		err             error
		mode            string
		fails, restarts bool
	}{
		{"refused, warn", refused, "warn", false, false},
		{"refused, fail", refused, "fail", true, false},
		{"cut off, warn", io.ErrUnexpectedEOF, "warn", true, true},
		{"shut down, warn", &pgconn.PgError{Code: "57P01"}, "warn", true, true},
	} {
		cfg, _ := Parse(map[string]string{"post.processors": "r", "r.type": reselectClass, "r.reselect.error.handling.mode": c.mode})
		var said strings.Builder
		r, err := newReselector(&cfg.Reselect, slog.New(slog.NewTextHandler(&said, nil)), func(context.Context) (*pgx.Conn, error) { return nil, c.err })
		if err != nil {
			t.Fatal(err)
		}
		id, big := envelope.Field{Column: "id", Index: 0}, envelope.Field{Column: "big", Index: 1, Null: true}
		s := &reselection{table: "public.t", from: `"public"."t"`, steps: []reselectStep{{processorConfig: r.processors[0], key: []envelope.Field{id}, columns: []envelope.Field{id, big}}}}
		change := &cdc.Change{Kind: cdc.Update, LSN: 5, New: cdc.Tuple{{Kind: cdc.Text, Bytes: []byte("7")}, {Kind: cdc.Unchanged}}}
		err = r.complete(t.Context(), s, change)
		var failure *ReselectError
		if c.fails != errors.As(err, &failure) {
			t.Errorf("%s: complete() = %v, want a failure: %v", c.name, err, c.fails)
			continue
		}
		if c.fails && (failure.Retriable() != c.restarts || !strings.Contains(err.Error(), "public.t") || !strings.Contains(err.Error(), "id=7")) {
			t.Errorf("%s: complete() = %v, retriable %v, want table and key in it, and retriable %v", c.name, err, failure.Retriable(), c.restarts)
		}
		if !c.fails && (!strings.Contains(said.String(), "id=7") || change.New[1].Kind != cdc.Unchanged) {
			t.Errorf("%s: it said %q and left %v, want the key in a warning and the value as it was", c.name, said.String(), change.New[1])
		}
	}
}

// TestReselectCache: a row that is not used goes first, a value that is too old is not given, a change of shape begins anew.
func TestReselectCache(t *testing.T) {
	now := time.Unix(0, 0)
	c := newReselectCache(&processorConfig{cached: true, cacheRows: 2, cacheColumns: 1, cacheTTL: time.Second})
	c.now = func() time.Time { return now }
	s := &reselection{number: 1, eventKey: []envelope.Field{{Index: 0}}}
	change := func(key string) *cdc.Change {
		return &cdc.Change{New: cdc.Tuple{{Kind: cdc.Text, Bytes: []byte(key)}}}
	}
	text := func(s string) cdc.Datum { return cdc.Datum{Kind: cdc.Text, Bytes: []byte(s)} }
	get := func(key string) string {
		d, ok := c.get(c.row(s, change(key)), 1)
		if !ok {
			return "none"
		}
		return string(d.Bytes)
	}
	for _, key := range []string{"a", "b"} {
		c.put(c.row(s, change(key)), 1, text("of "+key))
	}
	c.put(c.row(s, change("a")), 2, text("a second column"))
	if got := get("a"); got != "of a" {
		t.Errorf("cached value of row a = %q, want %q", got, "of a")
	}
	if _, ok := c.get(c.row(s, change("a")), 2); ok {
		t.Error("a second column is kept, though one is the bound")
	}
	c.row(s, change("c"))
	if got := get("b"); got != "none" {
		t.Errorf("cached value of row b, the least recently used of three = %q, want none", got)
	}
	c.put(c.row(s, change("d")), 1, text("of d"))
	now = now.Add(time.Second)
	if got := get("d"); got != "none" {
		t.Errorf("cached value of row d after its time = %q, want none", got)
	}
	c.put(c.row(s, change("d")), 1, text("of d"))
	s.number++
	if got := get("d"); got != "none" {
		t.Errorf("cached value of row d of a table that changed its shape = %q, want none", got)
	}
	if len(c.byKey) != c.used.Len() || c.used.Len() > 2 {
		t.Errorf("%d rows are kept under %d keys, want 2 at most", c.used.Len(), len(c.byKey))
	}
}

// TestAdvancedSlot: where snapshot.mode says so, a start that finds the slot advanced is followed by one that begins anew.
func TestAdvancedSlot(t *testing.T) {
	for _, c := range []struct {
		mode SnapshotMode
		want bool
	}{{SnapshotInitial, false}, {SnapshotNoData, false}, {SnapshotWhenNeeded, true}} {
		cfg := DefaultConfig()
		cfg.SnapshotMode = c.mode
		err := (&session{cfg: &cfg}).advanced(5, 9)
		var retriable interface{ Retriable() bool }
		if !errors.As(err, &retriable) || retriable.Retriable() != c.want {
			t.Errorf("advanced(5, 9) with snapshot.mode=%s: %v is retriable: %v, want %v", c.mode, err, !c.want, c.want)
		}
	}
}
