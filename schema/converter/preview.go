package converter

import (
	"context"
	"errors"
	"fmt"

	"github.com/tandem-cdc/tandem/schema"
	"github.com/tandem-cdc/tandem/schema/registry"
)

// Preview is what a converter would do with a schema.
type Preview struct {
	Subject string
	Text    string // the schema as it is registered
	ID      int    // under which it is there already; 0: it is new
	New     bool   // it would be registered
	Err     error  // records could not be written
}

// Previewer is a Converter whose schemas stand in a registry.
type Previewer interface {
	// Preview asks the registry about a schema and changes nothing there. The error is that the registry does not answer.
	Preview(ctx context.Context, topic string, s *schema.Schema) (Preview, error)
}

// Preview implements Previewer.
func (a *avroConverter) Preview(ctx context.Context, topic string, s *schema.Schema) (Preview, error) {
	var p Preview
	t, err := avroFrom(s, a.options.avro)
	if err == nil {
		p.Text, err = avroText(t)
	}
	if err == nil {
		p.Subject, err = a.options.subject(topic, a.isKey, t)
	}
	if err != nil {
		p.Err = err
		return p, nil
	}
	if !a.options.autoRegister && (a.options.useID >= 0 || a.options.useLatest) {
		p.ID, err = a.idOf(ctx, topic, t)
		return p.told(err)
	}
	p.ID, err = a.registry.Lookup(ctx, p.Subject, p.Text)
	var missing *registry.NotFoundError
	switch {
	case err == nil:
		return p, nil
	case !errors.As(err, &missing):
		return p.told(err)
	case !a.options.autoRegister:
		p.Err = fmt.Errorf("%w; auto.register.schemas is false: register the schema, or set it to true", err)
		return p, nil
	}
	p.New = true
	return p.told(a.registry.Compatible(ctx, p.Subject, p.Text))
}

// told tells a schema that is refused from a registry that does not answer.
func (p Preview) told(err error) (Preview, error) {
	var passes interface{ Retriable() bool }
	if err != nil && errors.As(err, &passes) && passes.Retriable() {
		return p, err
	}
	p.Err = err
	return p, nil
}
