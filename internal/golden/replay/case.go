package replay

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tandem-cdc/tandem/internal/config"
)

// Case is one recording.
type Case struct {
	Name    string
	Props   map[string]string // of the connector, without those that steer the replay
	Steer   map[string]string // oracle.* properties, with their prefix
	Setup   string            // SQL to run before the task starts
	Changes string            // SQL and steering lines to run once it streams
	Want    Output

	dir string
}

// Output is what a run emitted, in the form of a recording.
type Output struct {
	Lines   []string          // of expected.jsonl
	Schemas map[string]string // of schemas.json: Connect schema in JsonConverter's form by hash
	Avro    map[string]string // Avro schema text by file name
	Offsets []string          // of offsets.jsonl; empty when the case does not record them
}

// steerPrefix marks the properties that steer the replay and never reach the connector.
const steerPrefix = "oracle."

// Names lists the cases below a folder: its subfolders with a connector.properties, or the folder itself when it has one.
func Names(dir string) ([]string, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*", "connector.properties"))
	if err != nil {
		return nil, fmt.Errorf("cases below %s: %w", dir, err)
	}
	names := make([]string, 0, len(paths))
	for _, p := range paths {
		names = append(names, filepath.Base(filepath.Dir(p)))
	}
	slices.Sort(names)
	if len(names) == 0 {
		return nil, fmt.Errorf("cases below %s: none; a case is a folder with a connector.properties", dir)
	}
	return names, nil
}

// Load reads the case of that name below dir.
func Load(dir, name string) (*Case, error) {
	c := &Case{Name: name, Props: map[string]string{}, Steer: map[string]string{}, dir: filepath.Join(dir, name)}
	if err := c.load(c.dir); err != nil {
		return nil, fmt.Errorf("case %s: %w", name, err)
	}
	return c, nil
}

// on returns the case with what the connector emitted on a version of PostgreSQL, where that is recorded beside the rest, in pg14 and so
// on: expected.jsonl, offsets.jsonl, and the schemas if they differ.
func (c *Case) on(major int) (*Case, error) {
	dir := filepath.Join(c.dir, "pg"+strconv.Itoa(major))
	if _, err := os.Stat(filepath.Join(dir, "expected.jsonl")); err != nil {
		return c, nil
	}
	own := *c
	if err := own.loadOutput(dir); err != nil {
		return nil, fmt.Errorf("case %s: PostgreSQL %d: %w", c.Name, major, err)
	}
	if len(own.Want.Schemas) == 0 {
		own.Want.Schemas, own.Want.Avro = c.Want.Schemas, c.Want.Avro
	}
	return &own, nil
}

func (c *Case) load(dir string) error {
	text, err := os.ReadFile(filepath.Join(dir, "connector.properties"))
	if err != nil {
		return err
	}
	props, err := config.ParseProperties(string(text))
	if err != nil {
		return fmt.Errorf("connector.properties: %w", err)
	}
	for k, v := range props {
		if strings.HasPrefix(k, steerPrefix) {
			c.Steer[k] = v
		} else {
			c.Props[k] = v
		}
	}
	if c.Setup, err = optional(filepath.Join(dir, "setup.sql")); err != nil {
		return err
	}
	if c.Changes, err = optional(filepath.Join(dir, "changes.sql")); err != nil {
		return err
	}
	return c.loadOutput(dir)
}

// loadOutput reads what the connector emitted.
func (c *Case) loadOutput(dir string) error {
	expected, err := os.ReadFile(filepath.Join(dir, "expected.jsonl"))
	if err != nil {
		return err
	}
	offsets, err := optional(filepath.Join(dir, "offsets.jsonl"))
	if err != nil {
		return err
	}
	c.Want = Output{Lines: splitLines(string(expected)), Offsets: splitLines(offsets), Schemas: map[string]string{}, Avro: map[string]string{}}
	text, err := optional(filepath.Join(dir, "schemas.json"))
	if err != nil {
		return err
	}
	if text != "" {
		raw := map[string]json.RawMessage{}
		if err := json.Unmarshal([]byte(text), &raw); err != nil {
			return fmt.Errorf("schemas.json: %w", err)
		}
		for k, v := range raw {
			c.Want.Schemas[k] = string(v)
		}
	}
	files, err := filepath.Glob(filepath.Join(dir, "schemas", "*.avsc"))
	if err != nil {
		return err
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			return err
		}
		c.Want.Avro[filepath.Base(f)] = strings.TrimSuffix(string(text), "\n")
	}
	return nil
}

func optional(path string) (string, error) {
	text, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return "", nil
	}
	return string(text), err
}

func splitLines(s string) []string {
	s = strings.TrimSuffix(s, "\n")
	if s == "" {
		return nil
	}
	return strings.Split(s, "\n")
}

// Transforms tells whether records pass through single message transforms.
func (c *Case) Transforms() bool { return strings.TrimSpace(c.Props["transforms"]) != "" }

// connector is the configuration the connector gets: the defaults of the recordings, then the case's own.
func (c *Case) connector() map[string]string {
	props := map[string]string{
		"name":                    "oracle",
		"connector.class":         "io.debezium.connector.postgresql.PostgresConnector",
		"plugin.name":             "pgoutput",
		"topic.prefix":            "p",
		"poll.interval.ms":        "20",
		"signal.poll.interval.ms": "100",
		"errors.max.retries":      "0",
	}
	for k, v := range c.Props {
		if !strings.HasPrefix(k, "transforms") && !strings.HasPrefix(k, steerPrefix) { // a restart may set either
			props[k] = v
		}
	}
	return props
}

// transforms is the part of the configuration that describes the transforms.
func (c *Case) transforms() map[string]string {
	props := maps.Clone(c.Props)
	maps.DeleteFunc(props, func(k, _ string) bool {
		return !strings.HasPrefix(k, "transforms") && k != "predicates" && !strings.HasPrefix(k, "predicates.")
	})
	return props
}

func (c *Case) flag(key string, otherwise bool) bool {
	if v, ok := c.Steer[steerPrefix+key]; ok {
		return v == "true"
	}
	return otherwise
}

func (c *Case) millis(key string, otherwise time.Duration) (time.Duration, error) {
	n, err := c.number(key, int(otherwise/time.Millisecond))
	return time.Duration(n) * time.Millisecond, err
}

func (c *Case) number(key string, otherwise int) (int, error) {
	v, ok := c.Steer[steerPrefix+key]
	if !ok {
		return otherwise, nil
	}
	n, err := strconv.Atoi(v)
	if err != nil {
		return 0, fmt.Errorf("property %s%s: %q is no number", steerPrefix, key, v)
	}
	return n, nil
}

// parallelSnapshot tells whether several threads read the snapshot, so that the order of its records is not fixed.
func (c *Case) parallelSnapshot() bool {
	n, ok := c.Props["snapshot.max.threads"]
	return ok && n != "1"
}

// streams tells whether waits go by the sync message; otherwise they go by time.
func (c *Case) streams() bool { return c.Steer["oracle.wait"] != "idle" }

// unstable tells that the order of records changes from run to run.
func (c *Case) unstable() bool { return c.flag("unstable", false) }

// jsonOptions are the options of the JsonConverter that the case sets.
func (c *Case) jsonOptions() map[string]string {
	options := map[string]string{}
	for k, v := range c.Steer {
		if name, ok := strings.CutPrefix(k, steerPrefix+"json."); ok {
			options[name] = v
		}
	}
	return options
}
