package transform

import "github.com/tandem-cdc/tandem/schema"

// heir gives a tombstone the headers that were added to the delete before it: the connector gives both records one set of headers, and
// Debezium's transforms add to it. Consumed records have headers of their own.
type heir struct {
	topic   string
	key     schema.Value
	headers []schema.Header // nil: the record before was no delete
}

// remember keeps what was added to a delete behind the headers that were there.
func (h *heir) remember(r *schema.Record, there int) {
	h.forget()
	if r.Offset == schema.NoOffset && there < len(r.Headers) {
		h.topic, h.key, h.headers = r.Topic, r.Key, r.Headers[there:]
	}
}

func (h *heir) forget() { h.headers = nil }

// inherit adds it to a record that is the delete's tombstone.
func (h *heir) inherit(r *schema.Record) {
	if h.headers != nil && r.ValueSchema == nil && r.Topic == h.topic && r.Key.Equal(h.key) {
		for _, header := range h.headers {
			r.AddHeader(header)
		}
	}
	h.forget()
}
