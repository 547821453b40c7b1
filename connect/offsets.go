package connect

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// Texts of what a change of offsets did.
const (
	offsetsAltered = "The offsets for this connector have been altered successfully"
	offsetsReset   = "The offsets for this connector have been reset successfully"
	offsetsNoWord  = "The Connect framework-managed offsets for this connector have been %s successfully. However, if this connector manages offsets externally, they will need to be manually %s in the system that the connector uses."
)

// ConnectorOffsets are the offsets of a connector, whether it runs or not: those that are stored for a source, those of the consumer group for
// a sink.
func (w *Worker) ConnectorOffsets(ctx context.Context, name string, props map[string]string) ([]PartitionOffset, error) {
	c, err := w.prepare(Request{Name: name, Config: props})
	if err != nil {
		return nil, err
	}
	defer c.conv.close()
	if c.plugin.source != nil {
		store, closeStore, err := w.offsetsOf(c)
		if err != nil {
			return nil, err
		}
		defer closeStore()
		return store.List(ctx, name)
	}
	return w.groupOffsets(ctx, c)
}

// AlterOffsets changes offsets of a connector without tasks; those without an offset are reset. The message says what was done.
func (w *Worker) AlterOffsets(ctx context.Context, name string, props map[string]string, offsets []PartitionOffset) (message string, err error) {
	return w.changeOffsets(name, props, offsetsAltered, "altered", func(c *connector) (handled bool, err error) {
		if c.plugin.source != nil {
			return w.alterSource(ctx, c, offsets)
		}
		return w.alterGroup(ctx, c, offsets)
	})
}

// ResetOffsets forgets all offsets of a connector without tasks.
func (w *Worker) ResetOffsets(ctx context.Context, name string, props map[string]string) (message string, err error) {
	return w.changeOffsets(name, props, offsetsReset, "reset", func(c *connector) (handled bool, err error) {
		if c.plugin.source == nil {
			return w.resetGroup(ctx, c)
		}
		all, err := w.ConnectorOffsets(ctx, name, props)
		if err != nil {
			return false, err
		}
		for i := range all {
			all[i].Offset = nil
		}
		return w.alterSource(ctx, c, all)
	})
}

// changeOffsets has change do it; handled tells that the plugin had a say in it, and which message is due.
func (w *Worker) changeOffsets(name string, props map[string]string, done, verb string, change func(*connector) (handled bool, err error)) (message string, err error) {
	c, err := w.prepare(Request{Name: name, Config: props})
	if err != nil {
		return "", err
	}
	defer c.conv.close()
	handled, err := change(c)
	if err != nil {
		return "", err
	}
	if handled {
		return done, nil
	}
	return fmt.Sprintf(offsetsNoWord, verb, verb), nil
}

// alterSource asks the plugin and stores the offsets. Partitions and offsets come as users wrote them and are stored as they would be by a task.
func (w *Worker) alterSource(ctx context.Context, c *connector, offsets []PartitionOffset) (handled bool, err error) {
	there, err := w.offsets.List(ctx, c.name)
	if err != nil {
		return false, err
	}
	stored := make([]PartitionOffset, len(offsets))
	for i, o := range offsets {
		if isNull(o.Partition) {
			return false, &RefusedError{Internal, "Partition objects cannot be null"}
		}
		if err := checkPrimitive(o.Partition); err != nil {
			return false, err
		}
		if err := checkPrimitive(o.Offset); err != nil {
			return false, err
		}
		if stored[i].Partition, err = compactJSON(o.Partition); err != nil {
			return false, err
		}
		stored[i].Partition = asStored(stored[i].Partition, there)
		if !isNull(o.Offset) {
			if stored[i].Offset, err = compactJSON(o.Offset); err != nil {
				return false, err
			}
		}
	}
	if alter := c.plugin.source.AlterOffsets; alter != nil {
		if handled, err = alter(ctx, maps.Clone(c.props), stored); err != nil {
			return false, &RefusedError{Internal, err.Error()}
		}
	}
	if len(stored) == 0 {
		return handled, nil
	}
	store, closeStore, err := w.offsetsOf(c)
	if err != nil {
		return false, err
	}
	defer closeStore()
	return handled, store.Put(ctx, c.name, stored...)
}

// checkPrimitive refuses a partition or an offset that holds more than texts, booleans and numbers which Java has a primitive type for.
func checkPrimitive(raw []byte) error {
	if isNull(raw) {
		return nil
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		kind := ""
		switch text := string(fields[name]); text[0] {
		case '[':
			kind = "ARRAY"
		case '{':
			kind = "MAP"
		case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
			if _, err := strconv.ParseInt(text, 10, 64); errors.Is(err, strconv.ErrRange) {
				kind = "class java.math.BigInteger"
			}
		}
		if kind != "" {
			return &RefusedError{Internal, fmt.Sprintf("Offsets may only contain primitive types as values, but field %s contains %s", name, kind)}
		}
	}
	return nil
}

// asStored is a partition as it is stored, if it is: the order of members does not matter to users, but to the stores.
func asStored(partition []byte, there []PartitionOffset) []byte {
	wanted := sortedJSON(partition)
	for _, o := range there {
		if sortedJSON(o.Partition) == wanted {
			return o.Partition
		}
	}
	return partition
}

// sortedJSON is a JSON value with its members in order; "" for what is none.
func sortedJSON(raw []byte) string {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	if dec.Decode(&v) != nil {
		return ""
	}
	text, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(text)
}

func isNull(raw []byte) bool { return len(raw) == 0 || string(raw) == "null" }

// compactJSON writes a JSON value as Jackson does: without blanks, texts escaped no more than needed, members in their order.
func compactJSON(raw []byte) ([]byte, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	return appendCompact(make([]byte, 0, len(raw)), dec, 0)
}

// mostNested is the limit of encoding/json, which its tokens do not keep.
const mostNested = 10_000

func appendCompact(dst []byte, dec *json.Decoder, depth int) ([]byte, error) {
	if depth > mostNested {
		return nil, errors.New("the JSON is nested too deeply")
	}
	token, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch t := token.(type) {
	case json.Delim:
		dst = append(dst, byte(t))
		for first := true; dec.More(); first = false {
			if !first {
				dst = append(dst, ',')
			}
			if t == '{' {
				if dst, err = appendCompact(dst, dec, depth+1); err != nil { // the name
					return nil, err
				}
				dst = append(dst, ':')
			}
			if dst, err = appendCompact(dst, dec, depth+1); err != nil {
				return nil, err
			}
		}
		end, err := dec.Token()
		if d, ok := end.(json.Delim); ok {
			return append(dst, byte(d)), nil
		}
		return nil, err
	case string:
		return AppendJSONText(dst, t), nil
	case json.Number:
		return append(dst, JSONScalar([]byte(t))...), nil
	case bool:
		return strconv.AppendBool(dst, t), nil
	}
	return append(dst, "null"...), nil
}
