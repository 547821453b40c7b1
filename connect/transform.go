package connect

import (
	"fmt"
	"log/slog"

	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/schema"
)

// Transform is a single message transform: it stands between a task and the converters. One goroutine uses it.
type Transform = interface {
	// Apply changes r; false drops it. What r refers to is shared: Values, their structs and schemas are replaced, not written into. An error
	// whose chain has a method Retriable() bool that answers true makes the worker apply it to the same record again.
	Apply(r *schema.Record) (keep bool, err error)
}

// Predicate tells which records a transform is for. One goroutine uses it.
type Predicate = interface {
	Test(r *schema.Record) (bool, error)
}

// TransformPlugin is a transform that connectors may name under transforms.ALIAS.type.
type TransformPlugin struct {
	Class   string // Java class name that selects it
	Version string
	// Keys are the options with their defaults, for the documentation.
	Keys func() config.Keys
	// New reads the options, which come without the prefix transforms.ALIAS. and without those of the worker (type, predicate, negate).
	New func(props map[string]string, log *slog.Logger) (Transform, config.Report)
	// Refused says of a class that does not exist here what to do instead; Keys and New are nil then.
	Refused string
}

// PredicatePlugin is a predicate that connectors may name under predicates.ALIAS.type; its fields are those of TransformPlugin.
type PredicatePlugin struct {
	Class   string
	Version string
	Keys    func() config.Keys
	New     func(props map[string]string, log *slog.Logger) (Predicate, config.Report)
	Refused string
}

// Chain is the transforms of a connector in their order. One goroutine uses it.
type Chain struct{ links []link }

// link is a transform of a chain.
type link struct {
	alias, class string
	transform    Transform
	predicate    Predicate // nil: it is for every record
	negate       bool      // it is for those that the predicate does not hold for
}

// Apply passes a record through the transforms; false drops it. Errors are *TransformError.
func (c *Chain) Apply(r *schema.Record) (keep bool, err error) {
	return c.apply(r, func(_ string, do func() error) error { return do() })
}

// apply is Apply with a way to try again.
func (c *Chain) apply(r *schema.Record, try tryFunc) (keep bool, err error) {
	if c == nil {
		return true, nil
	}
	for i := range c.links {
		l := &c.links[i]
		was := *r
		keep, err := l.apply(r)
		if err != nil && retriable(err) {
			keep, err = l.applyAgain(r, was, try)
		}
		if err != nil {
			return false, &TransformError{Alias: l.alias, Class: l.class, Topic: was.Topic, Err: err}
		}
		if !keep {
			return false, nil
		}
	}
	return true, nil
}

// tryFunc repeats do as long as that may help; what completes "cannot …".
type tryFunc func(what string, do func() error) error

// applyAgain applies a transform that failed to the record as it was before.
func (l *link) applyAgain(r *schema.Record, was schema.Record, try tryFunc) (keep bool, err error) {
	err = try("transform a record", func() (err error) {
		*r = was
		keep, err = l.apply(r)
		return err
	})
	return keep, err
}

func (l *link) apply(r *schema.Record) (keep bool, err error) {
	if l.predicate != nil {
		holds, err := l.predicate.Test(r)
		if err != nil {
			return false, fmt.Errorf("test the predicate: %w", err)
		}
		if holds == l.negate {
			return true, nil
		}
	}
	return l.transform.Apply(r)
}

// TransformError says which transform could not be applied to a record.
type TransformError struct {
	Alias string // as transforms names it
	Class string
	Topic string
	Err   error
}

func (e *TransformError) Error() string {
	return fmt.Sprintf("apply the transform %q to a record of topic %q: %v", e.Alias, e.Topic, e.Err)
}
func (e *TransformError) Unwrap() error { return e.Err }
