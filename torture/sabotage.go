package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tandem-cdc/tandem/torture/history"
)

// sabotage is a change of one place of tandem's sources, which the torture must notice.
//
// Form of a file: what it breaks; then sections "-- file --", "-- from --", "-- to --" and "-- kinds --", the last with kinds of verdicts of which
// one at least must be found, or the word stuck: tandem itself notices, and a connector fails again and again. A section "-- rounds --" says which
// kinds of rounds it takes; without, rounds that stream.
type sabotage struct {
	name, file, from, to string
	kinds                []string
	rounds               []roundKind
}

// stuck stands for a connector that does not recover.
const stuck = "stuck"

// sabotageDir is below the root of the module.
var sabotageDir = filepath.Join("torture", "testdata", "sabotage")

func readSabotage(root, name string) (s sabotage, err error) {
	text, err := os.ReadFile(filepath.Join(root, sabotageDir, name+".txt"))
	if err != nil {
		return s, err
	}
	sections := make(map[string]string)
	parts := strings.Split("\n"+string(text), "\n-- ")
	for _, part := range parts[1:] {
		head, body, _ := strings.Cut(part, " --\n")
		sections[head] = strings.Trim(body, "\n")
	}
	s = sabotage{name: name, file: sections["file"], from: sections["from"], to: sections["to"], kinds: strings.Fields(sections["kinds"])}
	if s.rounds, err = parseRounds(cmp.Or(strings.TrimSpace(sections["rounds"]), string(streamRound))); err != nil {
		return s, fmt.Errorf("sabotage %s: %w", name, err)
	}
	if s.file == "" || s.from == "" || len(s.kinds) == 0 {
		return s, fmt.Errorf("sabotage %s: want sections file, from, to and kinds", name)
	}
	return s, nil
}

// sabotaged returns the source with the change made.
func (s *sabotage) sabotaged(root string) ([]byte, error) {
	text, err := os.ReadFile(filepath.Join(root, s.file))
	if err != nil {
		return nil, err
	}
	if n := strings.Count(string(text), s.from); n != 1 {
		return nil, fmt.Errorf("sabotage %s: the text to change stands %d times in %s, want once", s.name, n, s.file)
	}
	return []byte(strings.Replace(string(text), s.from, s.to, 1)), nil
}

// overlay writes what go build -overlay reads.
func (s *sabotage) overlay(root, dir string) (string, error) {
	text, err := s.sabotaged(root)
	if err != nil {
		return "", err
	}
	source := filepath.Join(dir, s.name+".go")
	if err := os.WriteFile(source, text, 0o644); err != nil {
		return "", err
	}
	original, err := filepath.Abs(filepath.Join(root, s.file))
	if err != nil {
		return "", err
	}
	list, err := json.Marshal(map[string]any{"Replace": map[string]string{original: source}})
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, s.name+".json")
	return path, os.WriteFile(path, list, 0o644)
}

// sabotages are the names of all.
func sabotages(root string) (names []string, err error) {
	files, err := filepath.Glob(filepath.Join(root, sabotageDir, "*.txt"))
	for _, f := range files {
		names = append(names, strings.TrimSuffix(filepath.Base(f), ".txt"))
	}
	return names, err
}

// sabotageAll runs the torture on a tandem with each of the changes, from the root of the module.
func sabotageAll(ctx context.Context, o options) error {
	names := strings.Split(o.sabotage, ",")
	if o.sabotage == "all" {
		var err error
		if names, err = sabotages("."); err != nil {
			return err
		}
	}
	dir, err := os.MkdirTemp("", "tandem-sabotage-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	var uncaught []string
	for _, name := range names {
		s, err := readSabotage(".", name)
		if err != nil {
			return err
		}
		one := o
		if len(one.rounds) == 0 {
			one.rounds = s.rounds
		}
		if one.overlay, err = s.overlay(".", dir); err != nil {
			return err
		}
		err = tortured(ctx, one)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		said, caught := s.caught(err)
		if !caught {
			uncaught = append(uncaught, fmt.Sprintf("%s: %v", name, err))
			said = fmt.Sprint(err)
		}
		fmt.Fprintf(os.Stderr, "sabotage %s: caught: %t: %s\n", name, caught, said)
	}
	if len(uncaught) > 0 {
		return fmt.Errorf("sabotages that were not caught: %s", strings.Join(uncaught, "; "))
	}
	return nil
}

// caught tells whether a run ended as it must, and what said so.
func (s *sabotage) caught(err error) (said string, ok bool) {
	if hopeless := (*hopelessError)(nil); errors.As(err, &hopeless) && slices.Contains(s.kinds, stuck) {
		return hopeless.text, true
	}
	var found *verdictError
	if !errors.As(err, &found) {
		return "", false
	}
	for _, k := range s.kinds {
		for _, v := range found.verdicts {
			if v.Kind == history.Kind(k) {
				return v.String(), true
			}
		}
	}
	return "", false
}
