package replication

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// stuckWire takes some bytes of each write and no more in time.
type stuckWire struct{ takes int }

func (w *stuckWire) read([]byte, time.Time) (int, error) { return 0, os.ErrDeadlineExceeded }
func (w *stuckWire) full() bool                          { return true }
func (w *stuckWire) write([]byte, time.Time) (int, error) {
	return w.takes, os.ErrDeadlineExceeded
}
func (w *stuckWire) wake()        {}
func (w *stuckWire) close() error { return nil }

// TestStatusTimeout: what becomes of a status that the socket does not take in time.
func TestStatusTimeout(t *testing.T) {
	for _, c := range []struct {
		action TimeoutAction
		takes  int
		since  time.Duration // the last status that was taken
		fails  bool
		warns  int
	}{
		{action: TimeoutFail, fails: true},
		{action: "", fails: true},
		{action: TimeoutWarn, warns: 1},
		{action: TimeoutIgnore},
		{action: TimeoutIgnore, takes: 5, fails: true},               // half a message: the protocol is out of step
		{action: TimeoutIgnore, since: 2 * time.Minute, fails: true}, // for good
		{action: TimeoutWarn, since: 2 * time.Minute, fails: true},
	} {
		warned := 0
		o := StreamOptions{Slot: "s", StatusTimeout: time.Second, OnStatusTimeout: c.action, Warn: func(error) { warned++ }}
		o.complete()
		s := &Stream{wire: &stuckWire{c.takes}, opts: o, lastSent: time.Now().Add(-c.since)}
		err := s.sendStatus(time.Now(), false)
		if (err != nil) != c.fails || warned != c.warns || err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("status refused with %q, %d bytes taken, after %s: %v, %d warnings, want failure %v, %d warnings", c.action, c.takes, c.since, err, warned, c.fails, c.warns)
		}
	}
}

func TestParseOptions(t *testing.T) {
	for _, c := range []struct {
		text string
		want map[string]string // nil: an error
	}{
		{"", map[string]string{}},
		{"-c work_mem=4MB", map[string]string{"work_mem": "4MB"}},
		{"-cwork_mem=4MB  --lock-timeout=5s", map[string]string{"work_mem": "4MB", "lock_timeout": "5s"}},
		{`-c search_path=a\ b,c`, map[string]string{"search_path": "a b,c"}},
		{"work_mem=4MB", nil},
		{"-c work_mem", nil},
		{"-c", nil},
		{"-c =x", nil},
	} {
		got, err := parseOptions(c.text)
		if (err != nil) != (c.want == nil) {
			t.Errorf("parseOptions(%q) = %v, %v, want %v", c.text, got, err, c.want)
		} else if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("parseOptions(%q) (-want +got)\n%s", c.text, diff)
		}
	}
}

// TestDriverProperties: what is passed through to a driver reaches the connection; what the form of values depends on stays.
func TestDriverProperties(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Host, cfg.User, cfg.Name = "h", "u", "d"
	keys := cfg.DriverKeys()
	report := keys.Parse(map[string]string{"database.connectTimeout": "20", "database.loginTimeout": "5", "database.socketTimeout": "60", "database.currentSchema": "shop",
		"database.options": "-c work_mem=4MB -c datestyle=German"})
	if err := report.Err(); err != nil {
		t.Fatal(err)
	}
	driver, err := cfg.driver("test", 0)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"search_path": "shop", "work_mem": "4MB", "datestyle": "ISO, MDY"}
	for name, value := range want {
		if driver.RuntimeParams[name] != value {
			t.Errorf("setting %s = %q, want %q", name, driver.RuntimeParams[name], value)
		}
	}
	if driver.ConnectTimeout != 5*time.Second {
		t.Errorf("connect timeout = %s, want the shorter bound, 5s", driver.ConnectTimeout)
	}
	if k := cfg.probes(); !k.Enable || k.Idle != 30*time.Second || k.Interval != 10*time.Second || k.Count != 3 {
		t.Errorf("probes = %+v, want three in the second half of a minute", k)
	}
}
