package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
)

// command is one subcommand.
type command struct {
	name    string
	summary string // one line, for the list of commands
	usage   string // the arguments, behind the name
	text    string // what it does, for its help
	// prepare declares the flags and returns what runs when they are parsed.
	prepare func(*flag.FlagSet) func(ctx context.Context, c *console, args []string) error
}

// commands in the order of the help.
func commands() []command {
	return []command{demoCommand, devCommand, standaloneCommand, distributedCommand, validateCommand, produceCommand, consumeCommand, compareCommand}
}

// errUsage: the command line is wrong, and how it should be was said.
var errUsage = &exitError{code: 1}

func dispatch(ctx context.Context, c *console, args []string) error {
	if len(args) == 0 {
		writeOverview(c.err)
		return errUsage
	}
	name, rest := args[0], args[1:]
	switch name {
	case "-h", "-help", "--help", "help":
		if len(rest) > 0 {
			return dispatch(ctx, c, []string{rest[0], "--help"})
		}
		writeOverview(c.out)
		return nil
	case "--version", "-version", "version":
		fmt.Fprintln(c.out, "tandem", version())
		return nil
	}
	for _, cmd := range commands() {
		if cmd.name == name {
			return cmd.run(ctx, c, rest)
		}
	}
	hint := ""
	if near := nearest(name); near != "" {
		hint = fmt.Sprintf(" Did you mean %q?", near)
	}
	return fmt.Errorf("there is no command %q.%s See \"tandem --help\"", name, hint)
}

func (cmd command) run(ctx context.Context, c *console, args []string) error {
	flags := flag.NewFlagSet(cmd.name, flag.ContinueOnError)
	flags.SetOutput(io.Discard) // we say it in our own words
	run := cmd.prepare(flags)
	switch positional, err := parse(flags, args); {
	case errors.Is(err, flag.ErrHelp):
		cmd.writeHelp(c.out, flags)
		return nil
	case err != nil:
		return fmt.Errorf("%s: %w. See \"tandem %s --help\"", cmd.name, err, cmd.name)
	default:
		return run(ctx, c, positional)
	}
}

// parse takes flags before, between and after the other arguments.
func parse(flags *flag.FlagSet, args []string) (positional []string, err error) {
	for {
		if err := flags.Parse(args); err != nil {
			return nil, err
		}
		rest := flags.Args()
		if len(rest) == 0 {
			return positional, nil
		}
		if used := len(args) - len(rest); used > 0 && args[used-1] == "--" {
			return append(positional, rest...), nil
		}
		positional, args = append(positional, rest[0]), rest[1:]
	}
}

// noArguments is for commands that take flags alone.
func noArguments(name string, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%s: unexpected argument %q. See \"tandem %s --help\"", name, args[0], name)
	}
	return nil
}

func writeOverview(w io.Writer) {
	var b strings.Builder
	b.WriteString(`tandem captures the changes of PostgreSQL databases, publishes them to Kafka as Debezium does,
and applies them to other stores. It runs Kafka Connect's configuration files.

usage: tandem COMMAND [ARGUMENTS]

`)
	for _, cmd := range commands() {
		fmt.Fprintf(&b, "  %-12s%s\n", cmd.name, cmd.summary)
	}
	b.WriteString(`
"tandem COMMAND --help" tells more about one of them, "tandem --version" the version.
"tandem demo" is a good one to begin with: it needs nothing set up.
`)
	_, _ = io.WriteString(w, b.String())
}

func (cmd command) writeHelp(w io.Writer, flags *flag.FlagSet) {
	var b strings.Builder
	fmt.Fprintf(&b, "usage: %s\n\n%s\n", strings.TrimSpace("tandem "+cmd.name+" "+cmd.usage), strings.TrimSpace(cmd.text))
	first := true
	flags.VisitAll(func(f *flag.Flag) {
		if first {
			b.WriteString("\noptions:\n")
			first = false
		}
		what, text := flag.UnquoteUsage(f)
		text = strings.TrimPrefix(text, what+" ") // usages begin with the quoted name of the value
		name := "--" + f.Name
		if what != "" {
			name += " " + what
		}
		lines := strings.Split(text, "\n")
		if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "0" {
			lines[len(lines)-1] += " (" + f.DefValue + " if not given)"
		}
		fmt.Fprintf(&b, "  %-30s%s\n", name, lines[0])
		for _, line := range lines[1:] {
			fmt.Fprintf(&b, "  %-30s%s\n", "", line)
		}
	})
	_, _ = io.WriteString(w, b.String())
}

// nearest is the command that name was probably meant to be, or "".
func nearest(name string) string {
	best, least := "", 3 // more edits are another word
	for _, cmd := range commands() {
		if d := distance(strings.ToLower(name), cmd.name); d < least {
			best, least = cmd.name, d
		}
	}
	return best
}

// distance is the number of letters to insert, delete, exchange or swap with their neighbour to make one word the other.
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
