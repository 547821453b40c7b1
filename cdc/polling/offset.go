package polling

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
)

// moment is an instant as java.sql.Timestamp has it.
type moment struct {
	sec  int64 // since 1970, rounded down
	nano int32 // 0 to 999_999_999
}

// millis is Timestamp.getTime.
func (m moment) millis() int64 { return m.sec*1000 + int64(m.nano)/1e6 }

func (m moment) before(o moment) bool { return m.sec < o.sec || m.sec == o.sec && m.nano < o.nano }

// momentOf is the instant of milliseconds since 1970.
func momentOf(millis int64) moment {
	sec := millis / 1000
	if millis%1000 < 0 {
		sec--
	}
	return moment{sec, int32(millis-sec*1000) * 1e6}
}

// minus is the instant so many milliseconds before.
func (m moment) minus(millis int64) moment {
	earlier := momentOf(m.millis() - millis)
	earlier.nano += m.nano % 1e6
	return earlier
}

// offset is where a table or query goes on. What is not set was never seen: then all ids are greater and all times later.
type offset struct {
	id        int64
	hasID     bool
	at        moment
	hasMoment bool
}

// firstID is what an offset without an id stands for; an offset without a time stands for 1970.
const firstID = -1

func (o offset) lastID() int64 {
	if !o.hasID {
		return firstID
	}
	return o.id
}

// appendJSON writes the offset letter by letter as the Java connector stores it: in the order of its HashMap.
func (o offset) appendJSON(dst []byte) []byte {
	dst = append(dst, '{')
	if o.hasMoment {
		dst = append(dst, `"timestamp_nanos":`...)
		dst = append(strconv.AppendInt(dst, int64(o.at.nano), 10), ',')
	}
	if o.hasID {
		dst = append(dst, `"incrementing":`...)
		dst = append(strconv.AppendInt(dst, o.id, 10), ',')
	}
	if o.hasMoment {
		dst = append(dst, `"timestamp":`...)
		dst = append(strconv.AppendInt(dst, o.at.millis(), 10), ',')
	}
	if dst[len(dst)-1] == ',' {
		dst = dst[:len(dst)-1]
	}
	return append(dst, '}')
}

// Names of an offset's fields.
const (
	incrementingField = "incrementing"
	timestampField    = "timestamp"
	nanosField        = "timestamp_nanos"
)

// parseOffset reads a stored offset; null is the zero one. Fields that are not of the connector are let be.
func parseOffset(text []byte) (o offset, err error) {
	if isNull(text) {
		return o, nil
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil {
		return o, fmt.Errorf("offset %s: want a JSON object: %w", text, err)
	}
	if o.id, o.hasID, err = longField(fields, incrementingField); err != nil {
		return o, err
	}
	millis, has, err := longField(fields, timestampField)
	if err != nil || !has {
		return o, err
	}
	o.at, o.hasMoment = momentOf(millis), true
	nanos, has, err := longField(fields, nanosField)
	if err != nil || !has {
		return o, err
	}
	if nanos < 0 || nanos > 999_999_999 {
		return o, fmt.Errorf("the value for the '%s' key in the offset is %d, want 0 to 999999999", nanosField, nanos)
	}
	o.at.nano = int32(nanos)
	return o, nil
}

func longField(fields map[string]json.RawMessage, name string) (n int64, has bool, err error) {
	text, has := fields[name]
	if !has || isNull(text) {
		return 0, false, nil
	}
	if n, err = strconv.ParseInt(string(bytes.TrimSpace(text)), 10, 64); err != nil {
		return 0, false, fmt.Errorf("the value for the '%s' key in the offset is %s, want an integer from %d to %d", name, text, math.MinInt64, math.MaxInt64)
	}
	return n, true, nil
}

func isNull(text []byte) bool {
	text = bytes.TrimSpace(text)
	return len(text) == 0 || string(text) == "null"
}

// queryPartition is the source partition of a query.
var queryPartition = []byte(`{"query":"query"}`)

// tablePartition is the source partition of a table: its whole name, in the order of Java's HashMap.
func tablePartition(name string) []byte {
	return append(append([]byte(`{"protocol":"1","table":`), jsonString(name)...), '}')
}

// userPartition is the same with its keys in the other order.
func userPartition(name string) []byte {
	return append(append([]byte(`{"table":`), jsonString(name)...), `,"protocol":"1"}`...)
}

// oldTablePartition is the one of releases before 5.0: the bare name.
func oldTablePartition(id tableID) []byte {
	return append(append([]byte(`{"table":`), jsonString(id.table)...), '}')
}

func jsonString(s string) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		return []byte(`""`) // a string cannot fail
	}
	return bytes.TrimSpace(b.Bytes())
}

// sentence is an error in the original's words, or in words like them: they begin with a capital. Trying again changes nothing.
type sentence string

func (s sentence) Error() string   { return string(s) }
func (s sentence) Retriable() bool { return false }

func say(format string, args ...any) error { return sentence(fmt.Sprintf(format, args...)) }

// CheckOffset refuses an offset that a user wants to set and that the source could not go on from. Both are JSON; a null offset means to forget
// it, which is possible for any partition.
func CheckOffset(props map[string]string, partition, offset []byte) error {
	if isNull(offset) {
		return nil
	}
	c, r := Parse(props)
	if err := r.Err(); err != nil {
		return err
	}
	if c.Mode == Bulk {
		return sentence("Offsets cannot be modified with mode=bulk, which reads everything at each poll and keeps none.")
	}
	query, _ := c.query()
	if err := checkPartition(partition, query != ""); err != nil {
		return err
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(offset, &fields); err != nil {
		return sentence("Offset objects should either be null or an object with the keys 'incrementing', 'timestamp' and 'timestamp_nanos'")
	}
	for name := range fields {
		if name != incrementingField && name != timestampField && name != nanosField {
			return say("Offset objects of this connector have no key '%s'; want 'incrementing', 'timestamp' or 'timestamp_nanos'", name)
		}
	}
	o, err := parseOffset(offset)
	switch {
	case err != nil:
		return sentence(err.Error())
	case c.Mode.usesID() && !o.hasID:
		return say("Offset objects should contain the key 'incrementing' with mode=%s", c.Mode)
	case c.Mode.usesTime() && !o.hasMoment:
		return say("Offset objects should contain the key 'timestamp' with mode=%s", c.Mode)
	}
	return nil
}

func checkPartition(partition []byte, query bool) error {
	var p map[string]any
	if err := json.Unmarshal(partition, &p); err != nil {
		return sentence("Partition objects should be JSON objects")
	}
	if query {
		if p["query"] != "query" || len(p) != 1 {
			return sentence(`Partition objects of a query should be {"query":"query"}`)
		}
		return nil
	}
	if table, ok := p["table"].(string); !ok || table == "" {
		return sentence("Partition objects should contain the key 'table' with the name of a table")
	}
	if protocol, has := p["protocol"]; has && protocol != "1" || len(p) > 2 || len(p) == 2 && !has {
		return sentence(`Partition objects should be {"protocol":"1","table":"schema.table"}`)
	}
	return nil
}
