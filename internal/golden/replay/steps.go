package replay

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// step is a run of SQL, or one steering line.
type step struct {
	line int
	sql  string // empty for a steering line
	word string
	arg  string
}

var steering = regexp.MustCompile(`^--\s*oracle:\s*(\S+)\s*(.*)$`)

// steps cuts changes.sql at its steering lines.
func steps(changes string) []step {
	var out []step
	sql, from, line := strings.Builder{}, 1, 0
	flush := func() {
		if strings.TrimSpace(sql.String()) != "" {
			out = append(out, step{line: from, sql: sql.String()})
		}
		sql.Reset()
		from = line + 1
	}
	for text := range strings.Lines(changes) {
		line++
		m := steering.FindStringSubmatch(strings.TrimSpace(text))
		if m == nil {
			sql.WriteString(text)
			continue
		}
		flush()
		out = append(out, step{line: line, word: m[1], arg: strings.TrimSpace(m[2])})
	}
	flush()
	return out
}

// signalPause is how long a recording polled after a signal.
const signalPause = 1500 * time.Millisecond

// steer does what a steering line asks for.
func (r *run) steer(s step) error {
	switch s.word {
	case "wait":
		return r.settle()
	case "sleep":
		ms, err := strconv.Atoi(s.arg)
		if err != nil {
			return fmt.Errorf("sleep %q: want milliseconds", s.arg)
		}
		return r.pause(time.Duration(ms) * time.Millisecond)
	case "stop":
		return r.settleAndStop()
	case "start":
		return r.start()
	case "restart":
		if err := r.settleAndStop(); err != nil {
			return err
		}
		if err := r.reconfigure(s.arg); err != nil {
			return err
		}
		return r.start()
	case "rewind":
		back, err := strconv.Atoi(s.arg)
		if err != nil {
			return fmt.Errorf("rewind %q: want a number of records", s.arg)
		}
		if err := r.settleAndStop(); err != nil {
			return err
		}
		r.records.rewind(back)
		return r.start()
	case "forget":
		return r.forget(s.arg)
	case "signal":
		if err := r.signalFile(s.arg); err != nil {
			return err
		}
	case "kafka":
		if err := r.signalTopic(s.arg); err != nil {
			return err
		}
	default:
		return fmt.Errorf("steering line %q: unknown", s.word)
	}
	if err := r.pause(signalPause); err != nil {
		return err
	}
	return r.settle()
}

func (r *run) reconfigure(arg string) error {
	for _, kv := range strings.Fields(arg) {
		k, v, ok := strings.Cut(kv, "=")
		if !ok {
			return fmt.Errorf("restart %q: want key=value", kv)
		}
		r.c.Props[k] = v
	}
	return nil
}
