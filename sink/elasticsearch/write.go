package elasticsearch

import (
	"hash/maphash"
	"strconv"
	"strings"

	"github.com/tandem-cdc/tandem/schema"
	"github.com/tandem-cdc/tandem/schema/converter"
	"github.com/tandem-cdc/tandem/sink"
)

// appendItem appends the lines of a record to a bulk: an action, and a document unless it is a delete. The error is a dataError; the bulk's body is
// then to be cut back.
func (t *Task) appendItem(b *bulk, p *topicPlan, r *sink.Record, it *item) error {
	gone := r.Value.IsNull()
	res := p.resource
	switch {
	case gone:
		b.body = append(b.body, res.remove...)
	case t.cfg.autogenerates():
		b.body = append(b.body, res.writeNoID...)
		return t.appendDocument(b, p, r)
	default:
		b.body = append(b.body, res.write...)
	}
	from := len(b.body)
	if p.ignoreKey {
		b.body = appendOwnID(b.body, r)
	} else if err := b.appendID(r); err != nil {
		return err
	} else if it.id = maphash.Bytes(t.seed, b.body[from:]) ^ res.salt; it.id == 0 {
		it.id = 1
	}
	if it.versioned = t.versioned(p); it.versioned {
		version, err := t.versionOf(r)
		if err != nil {
			return err
		}
		b.body = append(strconv.AppendInt(append(b.body, `,"version":`...), version, 10), `,"version_type":"external"`...)
	}
	if gone || res.writeEnd == nil {
		b.body = append(b.body, "}}\n"...)
	} else {
		b.body = append(b.body, res.writeEnd...)
	}
	if gone {
		return nil
	}
	return t.appendDocument(b, p, r)
}

func (b *bulk) appendID(r *sink.Record) error {
	body, err := appendID(b.body, r.KeySchema, r.Key)
	if err == nil {
		b.body = body
	}
	return err
}

// versioned tells whether the writes of a topic carry an external version. An upsert cannot, and a delete beside upserts must not: their documents
// count writes, and a document that was written often has a greater version than the offset of its delete, which would be lost.
func (t *Task) versioned(p *topicPlan) bool {
	return !p.ignoreKey && !t.cfg.dataStreams() && t.cfg.WriteMethod == methodInsert
}

// appendOwnID appends topic+partition+offset.
func appendOwnID(dst []byte, r *sink.Record) []byte {
	dst = converter.AppendJSONString(dst, r.Topic)
	dst = strconv.AppendInt(append(dst[:len(dst)-1], '+'), int64(r.Partition), 10)
	return append(strconv.AppendInt(append(dst, '+'), r.Offset, 10), '"')
}

// versionOf is the external version of a record.
func (t *Task) versionOf(r *sink.Record) (int64, error) {
	if t.cfg.VersionHeader == "" {
		return r.Offset, nil
	}
	for i := len(r.Headers) - 1; i >= 0; i-- {
		if h := &r.Headers[i]; h.Key == t.cfg.VersionHeader {
			return numberOf(h)
		}
	}
	return 0, badData("the record has no header %q (external.version.header)", t.cfg.VersionHeader)
}

// numberOf reads a header as the original does: its text is to be a number. Versions below 0 the server does not take.
func numberOf(h *schema.Header) (int64, error) {
	text := h.Value.Text()
	switch h.Value.Type() {
	case schema.Int8, schema.Int16, schema.Int32, schema.Int64:
		text = strconv.FormatInt(h.Value.Int(), 10)
	case schema.Bytes:
		text = string(h.Value.Bytes())
	case schema.Float32, schema.Float64:
		text = string(converter.AppendJSONFloat(nil, h.Value.Float64(), map[bool]int{true: 32, false: 64}[h.Value.Type() == schema.Float32]))
	}
	n, err := strconv.ParseInt(strings.TrimPrefix(text, "+"), 10, 64)
	if err != nil {
		return 0, badData("Error converting to long: %s", text)
	}
	if n < 0 {
		return 0, badData("the header %q (external.version.header) is %d: versions are not negative", h.Key, n)
	}
	return n, nil
}

// appendDocument appends the line of a document.
func (t *Task) appendDocument(b *bulk, p *topicPlan, r *sink.Record) (err error) {
	if p.plan == nil || p.schema != r.ValueSchema {
		if p.plan, err = compile(r.ValueSchema, p.rules); err != nil {
			return err
		}
		p.schema = r.ValueSchema
	}
	if t.cfg.WriteMethod == methodUpsert {
		b.body = append(b.body, `{"doc":`...)
	}
	from := len(b.body)
	body, err := p.plan.append(b.body, r.Value)
	if err == nil && t.cfg.dataStreams() {
		body, err = t.stamp(body, from, r)
	}
	if err != nil {
		return err
	}
	b.body = body
	if t.cfg.WriteMethod == methodUpsert {
		b.body = append(b.body, `,"doc_as_upsert":true}`...)
	}
	b.body = append(b.body, '\n')
	return nil
}
