package main

import (
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tandem-cdc/tandem/internal/jvmserver"
)

// keepCommand keeps how a contender was run, for the report: the files and the command line, without what differs from run to run. The key is the part
// and the contender.
func (b *bench) keepCommand(name string, cmd *exec.Cmd, files map[string]string) {
	var text strings.Builder
	for _, file := range slices.Sorted(maps.Keys(files)) {
		text.WriteString("# " + file + "\n" + files[file] + "\n")
	}
	text.WriteString("$ " + filepath.Base(cmd.Path) + " " + strings.Join(cmd.Args[1:], " ") + "\n")
	b.results.Commands[commandKey(b.part, name)] = b.anonymous(text.String())
}

func commandKey(part, name string) string { return part + ": " + name }

func commandPart(key string) string {
	part, _, _ := strings.Cut(key, ":")
	return part
}

// anonymous takes passwords and the machine's folders out of a text.
func (b *bench) anonymous(text string) string {
	var pairs []string
	if b.source != nil {
		pairs = append(pairs, b.source.Password(), "PASSWORD")
	}
	if b.target != nil {
		pairs = append(pairs, b.target.Password(), "PASSWORD")
	}
	if cache, err := jvmserver.Cache(); err == nil {
		pairs = append(pairs, cache, "CACHE")
	}
	return strings.NewReplacer(append(pairs, b.dir, "DIR")...).Replace(text)
}
