package envelope

import (
	"fmt"

	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/schema"
)

// messageKeySchema is the key of logical decoding messages.
var messageKeySchema = structure("io.debezium.connector.postgresql.MessageKey", 1, "", field("prefix", optionalString))

// messageSchema is the value of logical decoding messages; content has the schema of binary.handling.mode.
func messageSchema(content *schema.Schema) *schema.Schema {
	return structure("io.debezium.connector.postgresql.MessageValue", 1, "",
		field("op", stringSchema),
		field("ts_ms", optionalInt64),
		field("source", sourceSchema),
		field("transaction", blockSchema),
		field("message", structure("io.debezium.connector.postgresql.Message", 1, "",
			field("prefix", optionalString),
			field("content", optional(content)))))
}

// Message writes the record of a logical decoding message, unless its prefix is filtered out.
func (e *Encoder) Message(c *cdc.Change, at *Source) (records int, err error) {
	if passes := e.messages.passes(c.Prefix); !passes || e.messages.err() != nil {
		return 0, e.messages.err()
	}
	handle, err := e.open(&e.messageHandle, e.topics.message(), messageKeySchema, e.messageSchema, nil)
	if err != nil {
		return 0, err
	}
	key, w := e.out.Begin(handle)
	key.BeginStruct()
	key.String(c.Prefix)
	key.EndStruct()
	w.BeginStruct()
	w.String("m")
	w.Int(e.cfg.Now().UnixMilli())
	e.writeSource(w, at, "", "")
	if c.Transactional && e.tx.open {
		e.tx.messages++
		e.writeBlockOf(w, at, 1) // each message is a collection of its own to Debezium
	} else {
		w.Null()
	}
	w.BeginStruct()
	w.String(c.Prefix)
	if err := e.writeContent(&e.scratch, c.Content, w); err != nil {
		return 0, fmt.Errorf("write logical decoding message with prefix %q at %s: %w", c.Prefix, c.LSN, err)
	}
	w.EndStruct()
	w.EndStruct()
	return 1, e.out.End(nil)
}

// open returns the handle of a stream, opening it on first use.
func (e *Encoder) open(handle *int, topic string, key, value *schema.Schema, headers []schema.Header) (int, error) {
	return e.openAt(handle, topic, kafka.AnyPartition, key, value, headers)
}

func (e *Encoder) openAt(handle *int, topic string, partition int32, key, value *schema.Schema, headers []schema.Header) (int, error) {
	if *handle != noHandle {
		return *handle, nil
	}
	h, err := e.out.Stream(topic, partition, key, value, headers)
	if err != nil {
		return noHandle, err
	}
	*handle = h
	return h, nil
}
