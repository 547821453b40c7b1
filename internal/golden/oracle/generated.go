package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/tandem-cdc/tandem/internal/golden/generate"
)

// tablesPerCase are as many as make the start of the connector cheap, and few enough for many combinations of options.
const tablesPerCase = 5

// generated makes up tables, records what Debezium makes of them, and replays the recordings in a test of cdc/source.
func (r *recorder) generated(ctx context.Context, o options) (differences int, err error) {
	cases := filepath.Join(r.dir, "generated")
	if err := os.RemoveAll(cases); err != nil {
		return 0, err
	}
	fmt.Printf("%d tables, SEED=%d\n", o.tables, o.seed)
	for i := range (o.tables + tablesPerCase - 1) / tablesPerCase {
		if o.only >= 0 && i != o.only {
			continue
		}
		if err := generate.New(o.seed, uint64(i), min(tablesPerCase, o.tables-i*tablesPerCase)).Write(cases); err != nil {
			return 0, err
		}
	}
	s, err := r.server(ctx, recordedWith)
	if err != nil {
		return 0, err
	}
	begin := time.Now()
	log := filepath.Join(r.dir, "generated.log")
	out, err := os.Create(log)
	if err != nil {
		return 0, err
	}
	if err := r.record(ctx, s, out, cases); err != nil {
		text, _ := os.ReadFile(log)
		return 0, fmt.Errorf("%w\n%s", err, text)
	}
	fmt.Printf("recorded in %v\n", time.Since(begin).Round(time.Second))
	begin = time.Now()
	passed, failed, err := r.replay(ctx, cases, s.URL("postgres"))
	fmt.Printf("%d generated cases: %d equal, %d differ, replayed in %v; again: make oracle TABLES=%d SEED=%d\n",
		passed+failed, passed, failed, time.Since(begin).Round(time.Second), o.tables, o.seed)
	return failed, err
}

// event is a line of go test -json.
type event struct{ Action, Test, Output string }

// replay runs the replay test over a folder of cases, prints what differs and counts.
func (r *recorder) replay(ctx context.Context, cases, server string) (passed, failed int, err error) {
	cmd := exec.CommandContext(ctx, "go", "test", "-json", "-count=1", "-timeout=2h", "-run=^TestGolden$", "./cdc/source")
	cmd.Env = append(os.Environ(), "TANDEM_GOLDEN="+cases, "TANDEM_TEST_POSTGRES="+server)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, 0, err
	}
	texts, other := map[string]*strings.Builder{}, strings.Builder{}
	for scan := bufio.NewReader(out); ; {
		line, readErr := scan.ReadBytes('\n')
		var e event
		if json.Unmarshal(line, &e) != nil {
			other.Write(line)
		} else if _, name, ok := strings.Cut(e.Test, "/"); !ok {
			other.WriteString(e.Output)
		} else {
			if texts[name] == nil {
				texts[name] = &strings.Builder{}
			}
			texts[name].WriteString(e.Output)
			switch e.Action {
			case "pass":
				passed++
			case "fail":
				failed++
				fmt.Print(explain(filepath.Join(cases, name), texts[name].String()))
			}
		}
		if readErr == io.EOF {
			break
		}
	}
	if err := cmd.Wait(); err != nil && failed == 0 {
		return passed, failed, fmt.Errorf("go test ./cdc/source: %w\n%s", err, other.String())
	}
	if passed+failed == 0 {
		return 0, 0, fmt.Errorf("go test ./cdc/source ran no case:\n%s", other.String())
	}
	return passed, failed, nil
}

var (
	differsAt  = regexp.MustCompile(`^\s+line (\d+): (\S*)`)
	valueField = regexp.MustCompile(`^(?:value\.(?:before|after)|key)\.(.+?)(?:\[\d+\])*:?$`)
	topicOf    = regexp.MustCompile(`^\{"topic":"([^"]*)"`)
)

// explain is what a failed replay says, and behind each difference the topic and the definition of the column, so that it can be read without
// looking the case up.
func explain(dir, text string) string {
	b := strings.Builder{}
	fmt.Fprintf(&b, "--- %s\n", dir)
	expected, _ := os.ReadFile(filepath.Join(dir, "expected.jsonl")) // without it the differences stand alone
	lines := strings.Split(string(expected), "\n")
	setup, _ := os.ReadFile(filepath.Join(dir, "setup.sql"))
	changes, _ := os.ReadFile(filepath.Join(dir, "changes.sql"))
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimSpace(line), "time=") || strings.HasPrefix(line, "===") || strings.HasPrefix(line, "---") {
			continue
		}
		b.WriteString(line)
		m := differsAt.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		n, err := strconv.Atoi(m[1])
		if err != nil || n > len(lines) {
			continue
		}
		if topic := topicOf.FindStringSubmatch(lines[n-1]); topic != nil {
			fmt.Fprintf(&b, "\t    in %s", topic[1])
			if field := valueField.FindStringSubmatch(m[2]); field != nil {
				fmt.Fprintf(&b, ": %s", definitions(string(setup)+string(changes), field[1]))
			}
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// definitions are the lines that define a column of that name.
func definitions(sql, column string) string {
	var found []string
	for line := range strings.Lines(sql) {
		if strings.HasPrefix(strings.TrimSpace(line), `"`+column+`" `) || strings.Contains(line, `COLUMN "`+column+`" `) {
			found = append(found, strings.TrimSuffix(strings.TrimSpace(line), ","))
		}
	}
	return strings.Join(found, " | ")
}
