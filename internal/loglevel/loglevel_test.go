package loglevel

import (
	"bytes"
	"context"
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func newLogger(levels *Levels, out *bytes.Buffer) *slog.Logger {
	text := slog.NewTextHandler(out, &slog.HandlerOptions{Level: slog.Level(math.MinInt32), ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})
	return slog.New(NewHandler(text, levels))
}

func TestHandler(t *testing.T) {
	var out bytes.Buffer
	levels := New(slog.LevelInfo)
	root := newLogger(levels, &out)
	a := root.With(Key, "org.a", "connector", "c")
	b := a.With(Key, "org.a.b", "task", 1)
	other := root.With(Key, "org.ab")
	said := func(logs ...*slog.Logger) string {
		out.Reset()
		for _, l := range logs {
			l.Debug("d")
			l.Info("i")
			l.Error("e")
		}
		return out.String()
	}
	const bSays = "level=INFO msg=i connector=c task=1 logger=org.a.b\nlevel=ERROR msg=e connector=c task=1 logger=org.a.b\n"
	if diff := cmp.Diff("level=INFO msg=i\nlevel=ERROR msg=e\n"+bSays, said(root, b)); diff != "" {
		t.Errorf("at first (-want +got):\n%s", diff)
	}
	levels.Set("org.a", slog.LevelDebug, time.Unix(1, 0))
	if diff := cmp.Diff("level=DEBUG msg=d connector=c task=1 logger=org.a.b\n"+bSays, said(b)); diff != "" {
		t.Errorf("after a level above was set (-want +got):\n%s", diff)
	}
	if got := said(other); strings.Contains(got, "DEBUG") {
		t.Errorf("a logger whose name only begins alike says %s", got)
	}
	levels.Set("org.a.b", slog.LevelError, time.Unix(2, 0))
	if got := said(b); strings.Contains(got, "INFO") || !strings.Contains(got, "ERROR") {
		t.Errorf("after its own level was set it says %s", got)
	}
	later := root.With(Key, "org.a.b.c.d")
	if later.Enabled(context.Background(), slog.LevelInfo) {
		t.Error("a logger that is made later does not inherit")
	}
	levels.Set("ROOT", math.MaxInt32, time.Unix(3, 0))
	if got := said(root, a, b, other, later); got != "" {
		t.Errorf("after the root was set to OFF it says %s", got)
	}
	if Of(b) != levels || Of(slog.New(slog.DiscardHandler)) == nil {
		t.Error("Of does not find the levels of a logger")
	}
	levels.Set("root", slog.LevelInfo, time.Unix(4, 0))
	if got := said(b.WithGroup("g").With(Key, "x")); !strings.Contains(got, "g.logger=x") {
		t.Errorf("an attribute in a group chose the logger: %s", got)
	}
}

func TestSet(t *testing.T) {
	levels := New(slog.LevelInfo)
	at := func(n int64) time.Time { return time.Unix(n, 0) }
	for _, c := range []struct {
		name  string
		level slog.Level
		want  []string
	}{
		{"x.y", slog.LevelDebug, []string{"x.y"}},
		{"x.y.z", slog.LevelWarn, []string{"x.y.z"}},
		{"x.y", slog.LevelError, []string{"x.y", "x.y.z"}},
		{"x.y", slog.LevelError, []string{}},
		{"x.y.new", slog.LevelError, []string{}},
		{"x.yz", slog.LevelInfo, []string{}},
		{"root", slog.LevelError, []string{"root", "x.yz"}},
	} {
		if diff := cmp.Diff(c.want, levels.Set(c.name, c.level, at(5))); diff != "" {
			t.Errorf("Set(%s, %s) (-want +got):\n%s", c.name, Name(c.level), diff)
		}
	}
	if l, known := levels.Get("x.y.z"); !known || l.Level != slog.LevelError || !l.Modified.Equal(at(5)) {
		t.Errorf("Get(x.y.z) = %+v, %v", l, known)
	}
	if _, known := levels.Get("x"); known {
		t.Error("Get knows a name that nobody used")
	}
	names := ""
	for _, l := range levels.All() {
		names += l.Name + " "
	}
	if want := "root x.y x.y.new x.y.z x.yz "; names != want {
		t.Errorf("All = %s, want %s", names, want)
	}
}

func TestNames(t *testing.T) {
	for _, l := range levels {
		got, ok := Parse(strings.ToLower(l.name))
		if !ok || got != l.level || Name(got) != l.name {
			t.Errorf("Parse(%s) = %d, %v, of which the name is %s", l.name, got, ok, Name(got))
		}
	}
	if _, ok := Parse("LOUD"); ok {
		t.Error("Parse(LOUD) is a level")
	}
	if got := Name(slog.LevelInfo + 1); got != "INFO" {
		t.Errorf("Name of a level between INFO and WARN = %s, want INFO", got)
	}
}

func BenchmarkEnabled(b *testing.B) {
	var out bytes.Buffer
	log := newLogger(New(slog.LevelInfo), &out).With(Key, "a.b.c")
	b.ReportAllocs()
	for b.Loop() {
		log.Debug("x")
	}
}
