package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/tandem-cdc/tandem/connect"
	"github.com/tandem-cdc/tandem/internal/config"
)

var validateCommand = command{
	name:    "validate",
	summary: "tell what connectors would do, without doing it",
	usage:   "[--worker WORKER.PROPERTIES] [--json] CONNECTOR…",
	text: `Reads connector configurations, Java properties or JSON as connect-standalone takes them, and tells what would
become of them: every error and warning of the configuration, and what the connector would find and do. Of a source: the
captured tables with their keys, topics and schemas, the rights that are missing, the slot and the publication that
would be made, what would break updates in the database. Of a sink: the topics it would read and the tables it would
write. Where schemas stand in a registry: their subjects, and whether the registry takes them.

Nothing is changed anywhere: databases are asked in read-only sessions, the registry and the broker are only asked. With
single message transforms the first row of each table is read, for the transforms to see a record.

--worker names the worker's file, whose converters and brokers connectors use that have none of their own. Without, only
what the connector's file says is looked at.

The exit code is 0 when all of them would work as far as can be told, and 1 when not.`,
	prepare: func(flags *flag.FlagSet) func(context.Context, *console, []string) error {
		var opts validateOptions
		flags.StringVar(&opts.worker, "worker", "", "`FILE` configuration of the worker that is to run the connectors")
		flags.BoolVar(&opts.json, "json", false, "print a JSON document instead of text")
		flags.DurationVar(&opts.patience, "timeout", 30*time.Second, "`TIME` how long all that one connector speaks of may take to answer")
		return func(ctx context.Context, c *console, args []string) error {
			if len(args) == 0 {
				return errors.New("validate: a connector configuration file is needed. See \"tandem validate --help\"")
			}
			return runValidate(ctx, c, opts, args)
		}
	},
}

type validateOptions struct {
	worker   string
	json     bool
	patience time.Duration
}

// verdict is what there is to tell of one connector.
type verdict struct {
	File     string     `json:"file"`
	Name     string     `json:"name"`
	Class    string     `json:"class,omitempty"`
	Type     string     `json:"type,omitempty"`
	Errors   []note     `json:"errors"`   // of the configuration
	Warnings []note     `json:"warnings"` // of the configuration
	Plan     *plan      `json:"plan,omitempty"`
	Problems []string   `json:"problems"` // that would keep it from working
	Notices  []string   `json:"notices"`  // worth knowing
	Topics   []topicUse `json:"topics"`
}

// note is a sentence about an option.
type note struct {
	Option  string `json:"option"`
	Message string `json:"message"`
}

func (v *verdict) problem(format string, args ...any) {
	v.Problems = append(v.Problems, fmt.Sprintf(format, args...))
}

func (v *verdict) notice(format string, args ...any) {
	v.Notices = append(v.Notices, fmt.Sprintf(format, args...))
}

// faults counts what is wrong.
func (v *verdict) faults() int { return len(v.Errors) + len(v.Problems) }

// runValidate judges one file after the other, prints, and fails when one of them would not work.
func runValidate(ctx context.Context, c *console, opts validateOptions, files []string) error {
	v, err := newValidator(opts, c.environ)
	if err != nil {
		return err
	}
	verdicts, faults := make([]*verdict, len(files)), 0
	for i, file := range files {
		verdicts[i] = v.judge(ctx, file)
		faults += verdicts[i].faults()
	}
	if opts.json {
		enc := json.NewEncoder(c.out)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		if err := enc.Encode(map[string]any{"connectors": verdicts}); err != nil {
			return fmt.Errorf("write the verdicts: %w", err)
		}
	} else {
		for i, verdict := range verdicts {
			if i > 0 {
				fmt.Fprintln(c.out)
			}
			verdict.print(c.out)
		}
	}
	switch {
	case faults == 0:
		return nil
	case opts.json:
		return &exitError{code: 1}
	}
	return &exitError{code: 1, err: fmt.Errorf("validate: %s", count(faults, "problem"))}
}

// validator holds what all files have in common.
type validator struct {
	opts    validateOptions
	worker  *connect.Worker
	cfg     connect.WorkerConfig
	clients bool // the worker's file tells the brokers
}

// newValidator reads the worker's file. Without one, a worker is made up that has no brokers.
func newValidator(opts validateOptions, environ []string) (*validator, error) {
	v := &validator{opts: opts, clients: opts.worker != ""}
	if v.clients {
		var err error
		if v.cfg, _, err = connect.ReadWorkerConfig(opts.worker, environ); err != nil {
			return nil, err
		}
	} else {
		var report config.Report
		v.cfg, report = connect.ParseWorkerConfig(map[string]string{"bootstrap.servers": "localhost:9092", "offset.storage.file.filename": "offsets",
			"key.converter": nobodysConverter, "value.converter": nobodysConverter})
		if err := report.Err(); err != nil {
			return nil, err
		}
	}
	v.worker = connect.NewWorker(v.cfg, plugins(), nil, nil, slog.New(slog.DiscardHandler))
	return v, nil
}

// nobodysConverter stands for the converters of a worker that is not known.
const nobodysConverter = "org.apache.kafka.connect.json.JsonConverter"

// judge tells all there is to tell of one file.
func (v *validator) judge(ctx context.Context, file string) *verdict {
	out := &verdict{File: file, Errors: []note{}, Warnings: []note{}, Problems: []string{}, Notices: []string{}, Topics: []topicUse{}}
	req, err := connect.ReadConnectorFile(file)
	if err != nil {
		out.Errors = append(out.Errors, note{Message: err.Error()})
		return out
	}
	out.Name, out.Class = req.Name, req.Config["connector.class"]
	if _, given := req.Config["name"]; !given {
		req.Config["name"] = req.Name
	}
	ctx, cancel := context.WithTimeout(ctx, v.opts.patience)
	defer cancel()
	infos, err := v.worker.Validate(ctx, req)
	if err != nil {
		text, _, listed := strings.Cut(err.Error(), ", available connectors are:") // with all that Java knows of each
		if listed {
			text += "; there are " + strings.Join(connectorClasses(v.worker.Plugins()), ", ")
		}
		out.Errors = append(out.Errors, note{"connector.class", text})
		return out
	}
	for _, p := range infos.Problems() {
		out.Errors = append(out.Errors, note{p.Name, p.Message})
	}
	for _, p := range infos.Warnings() {
		out.Warnings = append(out.Warnings, note{p.Name, p.Message})
	}
	if len(out.Errors) > 0 {
		return out
	}
	r, err := v.worker.Rehearse(req)
	if err != nil {
		out.problem("%v", err)
		return out
	}
	defer r.Close()
	out.Class, out.Type = r.Class, string(r.Kind)
	for _, p := range r.Faults {
		out.Errors = append(out.Errors, note{p.Name, p.Message})
	}
	(&rehearsal{validator: v, Rehearsal: r, out: out}).run(ctx)
	return out
}

func connectorClasses(all []connect.PluginInfo) (classes []string) {
	for _, p := range all {
		if p.Kind.IsConnector() {
			classes = append(classes, p.Class)
		}
	}
	return classes
}

// count is "1 problem", "2 problems".
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
