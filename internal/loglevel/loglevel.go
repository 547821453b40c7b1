// Package loglevel gives the loggers of a process names and levels that can be changed while it runs, as Kafka Connect's REST API does.
//
// In: any slog.Handler, and records of loggers that were made by Logger.With(Key, "org.apache.kafka.connect.runtime.Worker"). Out: those records
// whose level the logger of that name lets pass. Names are a tree by their dots: a logger without a level of its own has that of the nearest one
// above it. No goroutines; Levels and Handler are safe for concurrent use, and a check costs one atomic load.
package loglevel

import (
	"context"
	"log/slog"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Key is the attribute that names a logger.
const Key = "logger"

// Root is the name of the logger above all others.
const Root = "root"

// levels by name, the most severe first.
var levels = []struct {
	name  string
	level slog.Level
}{
	{"OFF", math.MaxInt32},
	{"FATAL", slog.LevelError + 4},
	{"ERROR", slog.LevelError},
	{"WARN", slog.LevelWarn},
	{"INFO", slog.LevelInfo},
	{"DEBUG", slog.LevelDebug},
	{"TRACE", slog.LevelDebug - 4},
	{"ALL", math.MinInt32},
}

// Parse reads OFF, FATAL, ERROR, WARN, INFO, DEBUG, TRACE or ALL, in any case.
func Parse(text string) (slog.Level, bool) {
	for _, l := range levels {
		if strings.EqualFold(l.name, text) {
			return l.level, true
		}
	}
	return 0, false
}

// Name is the word for a level: that of the next less severe one for those between two.
func Name(level slog.Level) string {
	for _, l := range levels {
		if level >= l.level {
			return l.name
		}
	}
	return levels[len(levels)-1].name
}

// Levels are the levels of all loggers of a process.
type Levels struct {
	mu      sync.Mutex // guards what follows, and the fields of the loggers but level
	loggers map[string]*logger
	root    *logger
}

// logger is one name.
type logger struct {
	level    atomic.Int64 // that holds now, its own or inherited
	own      bool
	modified time.Time // zero: never
}

// Level is what is known of one logger.
type Level struct {
	Name     string
	Level    slog.Level
	Modified time.Time // zero: not since the start
}

// New makes levels of which only the root's is set.
func New(root slog.Level) *Levels {
	l := &Levels{loggers: make(map[string]*logger), root: new(logger)}
	l.root.own = true
	l.root.level.Store(int64(root))
	return l
}

// Of finds the levels that govern a logger; new ones, that govern nothing, when it has none.
func Of(log *slog.Logger) *Levels {
	if h, ok := log.Handler().(*Handler); ok {
		return h.levels
	}
	return New(slog.LevelInfo)
}

func isRoot(name string) bool { return strings.EqualFold(name, Root) }

// logger finds or makes the logger of a name. To be called under mu.
func (l *Levels) logger(name string) *logger {
	if isRoot(name) || name == "" {
		return l.root
	}
	found := l.loggers[name]
	if found == nil {
		found = new(logger)
		found.level.Store(l.above(name).level.Load())
		l.loggers[name] = found
	}
	return found
}

// above is the nearest logger over a name that has a level of its own.
func (l *Levels) above(name string) *logger {
	for {
		i := strings.LastIndexByte(name, '.')
		if i < 0 {
			return l.root
		}
		name = name[:i]
		if found := l.loggers[name]; found != nil && found.own {
			return found
		}
	}
}

// All are the loggers that were used or set, and the root, by name.
func (l *Levels) All() []Level {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := []Level{{Root, slog.Level(l.root.level.Load()), l.root.modified}}
	for name, found := range l.loggers {
		all = append(all, Level{name, slog.Level(found.level.Load()), found.modified})
	}
	slices.SortFunc(all, func(a, b Level) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// Get tells the level of a logger that was used or set.
func (l *Levels) Get(name string) (Level, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	found := l.loggers[name]
	if isRoot(name) {
		name, found = Root, l.root
	}
	if found == nil {
		return Level{}, false
	}
	return Level{name, slog.Level(found.level.Load()), found.modified}, true
}

// Set changes the level of a logger and of all below it, and returns the names of those whose level changed, sorted. The root stands above all.
func (l *Levels) Set(name string, level slog.Level, now time.Time) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	concerned := map[string]*logger{name: l.logger(name)}
	if isRoot(name) {
		concerned = map[string]*logger{Root: l.root}
	}
	for other, found := range l.loggers {
		if isRoot(name) || strings.HasPrefix(other, name+".") {
			concerned[other] = found
		}
	}
	changed := []string{}
	for other, found := range concerned {
		found.own = true
		if found.level.Swap(int64(level)) != int64(level) {
			found.modified = now
			changed = append(changed, other)
		}
	}
	slices.Sort(changed)
	return changed
}

// Handler lets records through to another handler as Levels say.
type Handler struct {
	levels *Levels
	logger *logger
	name   string // of the logger; "" is the root
	next   slog.Handler
	groups int
}

// NewHandler makes a handler of the root logger. next should have no bound of its own.
func NewHandler(next slog.Handler, l *Levels) *Handler {
	return &Handler{levels: l, logger: l.root, next: next}
}

// Enabled implements slog.Handler.
func (h *Handler) Enabled(_ context.Context, level slog.Level) bool {
	return int64(level) >= h.logger.level.Load()
}

// Handle implements slog.Handler. The name of the logger is the last attribute.
func (h *Handler) Handle(ctx context.Context, r slog.Record) error {
	if h.name != "" && h.groups == 0 {
		r = r.Clone()
		r.AddAttrs(slog.String(Key, h.name))
	}
	return h.next.Handle(ctx, r)
}

// WithAttrs implements slog.Handler: an attribute Key chooses the logger, in place of one that was chosen before.
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := *h
	if h.groups == 0 {
		var others []slog.Attr
		for _, a := range attrs {
			if a.Key != Key || a.Value.Kind() != slog.KindString {
				others = append(others, a)
				continue
			}
			with.name = a.Value.String()
			h.levels.mu.Lock()
			with.logger = h.levels.logger(with.name)
			h.levels.mu.Unlock()
		}
		attrs = others
	}
	if len(attrs) > 0 {
		with.next = h.next.WithAttrs(attrs)
	}
	return &with
}

// WithGroup implements slog.Handler.
func (h *Handler) WithGroup(name string) slog.Handler {
	with := *h
	with.next = h.next.WithGroup(name)
	with.groups++
	return &with
}
