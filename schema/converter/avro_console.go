package converter

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/schema/registry"
)

// AvroConsole is Avro as consoles have it: records as lines of Avro's JSON encoding, framed and with schemas in a registry. Its options are
// those of AvroConverter. Safe for concurrent use.
type AvroConsole struct {
	config avroConfig
	isKey  bool
	client *registry.Client

	mu    sync.Mutex // guards known
	known map[int]*AvroEncoding
}

// NewAvroConsole does not connect. The AvroConsole is nil when the Report has errors.
func NewAvroConsole(props map[string]string, isKey bool, env Env) (*AvroConsole, config.Report) {
	cfg, report := parseAvroConfig(props)
	if report.Err() != nil {
		return nil, report
	}
	client, err := cfg.client(env.Transport)
	if err != nil {
		report.Fail("schema.registry.url", "%v", err)
		return nil, report
	}
	return &AvroConsole{config: cfg, isKey: isKey, client: client, known: make(map[int]*AvroEncoding)}, report
}

// Close lets go of connections that are kept open for reuse.
func (c *AvroConsole) Close() { c.client.Close() }

// AvroLines makes framed Avro of lines of JSON, by one schema.
type AvroLines struct {
	id       int
	encoding *AvroEncoding
}

// Lines prepares writing by a schema, which is registered for the topic, or with auto.register.schemas=false looked up.
func (c *AvroConsole) Lines(ctx context.Context, topic, schema string) (*AvroLines, error) {
	e, err := ParseAvroEncoding(schema)
	if err != nil {
		return nil, err
	}
	subject, err := c.config.subject(topic, c.isKey, e.root)
	if err != nil {
		return nil, err
	}
	var id int
	if c.config.autoRegister {
		id, err = c.client.Register(ctx, subject, schema)
	} else {
		id, err = c.client.Lookup(ctx, subject, schema)
	}
	if err != nil {
		return nil, fmt.Errorf("schema of subject %q: %w", subject, err)
	}
	return &AvroLines{id, e}, nil
}

// LinesByID prepares writing by a schema that the registry has.
func (c *AvroConsole) LinesByID(ctx context.Context, id int) (*AvroLines, error) {
	e, err := c.encoding(ctx, id)
	if err != nil {
		return nil, err
	}
	return &AvroLines{id, e}, nil
}

// Append appends the framed Avro of a line.
func (l *AvroLines) Append(dst, line []byte) ([]byte, error) {
	return l.encoding.AppendBinary(binary.BigEndian.AppendUint32(append(dst, 0), uint32(l.id)), line)
}

// AppendJSON appends the line of a framed key or value.
func (c *AvroConsole) AppendJSON(ctx context.Context, dst, data []byte) ([]byte, error) {
	const head = 5 // byte 0, four bytes of id
	if len(data) < head || data[0] != 0 {
		return nil, errors.New("not framed by a schema registry's serializer")
	}
	e, err := c.encoding(ctx, int(binary.BigEndian.Uint32(data[1:head])))
	if err != nil {
		return nil, err
	}
	return e.AppendJSON(dst, data[head:])
}

// encoding asks the registry once for each id.
func (c *AvroConsole) encoding(ctx context.Context, id int) (*AvroEncoding, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.known[id]; ok {
		return e, nil
	}
	text, err := c.client.Schema(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("schema %d: %w", id, err)
	}
	e, err := ParseAvroEncoding(text)
	if err != nil {
		return nil, fmt.Errorf("schema %d: %w", id, err)
	}
	c.known[id] = e
	return e, nil
}
