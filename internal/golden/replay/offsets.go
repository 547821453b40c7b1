package replay

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// ownField is the prefix of fields in our source offsets that Debezium's do not have.
const ownField = "tandem_"

// normaliseOffset prints a source offset as a line of offsets.jsonl has it, without its record number. It is called after the record
// itself was normalised; sourceMicros is the record's source.ts_us as it was before.
func (n *normaliser) normaliseOffset(r *Record, o offsetEntry, sourceMicros *int64) (string, error) {
	from, err := decodeObject(o.offset)
	if err != nil {
		return "", fmt.Errorf("source offset %s: %w", o.offset, err)
	}
	partition, err := decodeObject(o.partition)
	if err != nil {
		return "", fmt.Errorf("source partition %s: %w", o.partition, err)
	}
	if err := restoreOwn(from); err != nil {
		return "", fmt.Errorf("source offset %s: %w", o.offset, err)
	}
	if len(partition) == 0 { // the task had no offset to give yet
		partition["server"] = n.prefix
	}
	text := func(k string) string { s, _ := from[k].(string); return s }
	shape := offsetShape{
		snapshot: from["snapshot"] != nil && text("snapshot") != "INCREMENTAL",
		end:      text("messageType") == "COMMIT" || isHeartbeat(r),
		begin:    text("messageType") == "BEGIN",
	}
	var tx int64
	if id, ok := integer(from["txId"]); ok {
		tx = n.tx(id)
	}
	to := map[string]any{}
	for _, k := range sortedKeys(from) {
		if strings.HasPrefix(k, ownField) {
			continue
		}
		v, err := n.offsetField(k, from[k], shape, func(us int64) int64 { return n.offsetTime(us, r, sourceMicros, tx) }, tx)
		if err != nil {
			return "", err
		}
		to[scrubIdentity(k)] = v
	}
	p, err := marshal(partition)
	if err != nil {
		return "", err
	}
	out, err := marshal(to)
	if err != nil {
		return "", err
	}
	return `"partition":` + p + `,"offset":` + out, nil
}

// shownFields may show an idle server's position in our offsets.
var shownFields = []string{"lsn", "lsn_proc", "lsn_commit", "lsn_events_processed", "messageType"}

// restoreOwn undoes what our offsets show of an idle server: the true value of a field that shows its position stands under the field's name
// with our prefix; 0 and "" mean that the field is missing in truth.
func restoreOwn(offset map[string]any) error {
	for _, k := range sortedKeys(offset) {
		name, own := strings.CutPrefix(k, ownField)
		if !own || !slices.Contains(shownFields, name) {
			continue
		}
		switch truth := offset[k].(type) {
		case json.Number:
			offset[name] = truth
			if truth == "0" {
				delete(offset, name)
			}
		case string:
			offset[name] = truth
			if truth == "" {
				delete(offset, name)
			}
		default:
			return fmt.Errorf("field %q: want a number or text", k)
		}
	}
	return nil
}

// offsetShape tells which series an offset's LSNs are of.
type offsetShape struct{ snapshot, end, begin bool }

func (n *normaliser) offsetField(k string, v any, shape offsetShape, time func(int64) int64, tx int64) (any, error) {
	if x, ok := integer(v); ok {
		return n.offsetNumber(k, x, shape, time, tx), nil
	}
	s, ok := v.(string)
	switch {
	case !ok:
		return v, nil
	case k == "transaction_id":
		return n.txPart(s, &n.eventLSN)
	}
	return n.uuidsIn(s), nil
}

func (n *normaliser) offsetNumber(k string, x int64, shape offsetShape, time func(int64) int64, tx int64) any {
	snap, event, end := &n.snapLSN, &n.eventLSN, &n.endLSN
	switch {
	case k == "lsn" && shape.snapshot:
		return place(uint64(x), snap)
	case k == "lsn" && shape.end:
		return place(uint64(x), end, event, snap)
	case k == "lsn":
		return place(uint64(x), event, end, snap)
	case k == "lsn_proc" && shape.snapshot:
		return place(uint64(x), end, snap)
	case k == "lsn_proc" && (shape.end || shape.begin):
		return place(uint64(x), end, snap, event)
	case k == "lsn_proc":
		return place(uint64(x), event, end, snap)
	case k == "lsn_commit":
		return place(uint64(x), end, snap)
	case k == "txId":
		return tx
	case k == "xmin":
		return placeXmin
	case k == "ts_usec":
		return time(x)
	}
	return x
}

// place is the placeholder of an LSN in the first series that has it; else text: the rank in the first series and a plus sign.
func place(lsn uint64, series ...*lsnSeries) any {
	if lsn == 0 {
		return 0
	}
	for _, s := range series {
		if s.has(lsn) {
			return s.rank(lsn)
		}
	}
	return strconv.FormatInt(series[0].rank(lsn), 10) + "+"
}

func (n *normaliser) offsetTime(us int64, r *Record, sourceMicros *int64, tx int64) int64 {
	if sourceMicros != nil && *sourceMicros == us {
		return sourceOf(r).Field("ts_us").Int()
	}
	if at, known := n.txTimes[tx]; known && at == us {
		return placeTxTime + (tx-placeTx)*second
	}
	if order, known := n.snapTime[us]; known {
		return placeSnap + order*second
	}
	for place, at := range n.txTimes {
		if at == us {
			return placeTxTime + (place-placeTx)*second
		}
	}
	return placeNow
}

func decodeObject(text []byte) (map[string]any, error) {
	m := map[string]any{}
	if len(text) == 0 {
		return m, nil
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	err := d.Decode(&m)
	return m, err
}

func integer(v any) (int64, bool) {
	n, ok := v.(json.Number)
	if !ok {
		return 0, false
	}
	i, err := n.Int64()
	return i, err == nil
}

func marshal(v any) (string, error) {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return "", err
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}
