package replay

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/tandem-cdc/tandem/schema"
)

// Placeholders: n-th transaction id, ranks of LSNs, instants in microseconds.
const (
	placeTx       = 100
	placeSnapLSN  = 1000
	placeEventLSN = 2000
	placeEndLSN   = 3000
	placeXmin     = 500
	placeSnap     = 1500000000_123456
	placeTxTime   = 1600000000_123456
	placeNow      = 1700000000_123456
	placeDatabase = "oracle"
	second        = 1_000_000 // microseconds
	nanosBehind   = 789       // of instants finer than a microsecond
)

// lsnSeries is a set of LSNs whose ranks are their placeholders.
type lsnSeries struct {
	base   int64
	sorted []uint64
}

func (s *lsnSeries) add(lsn uint64) {
	if i, found := slices.BinarySearch(s.sorted, lsn); !found {
		s.sorted = slices.Insert(s.sorted, i, lsn)
	}
}

func (s *lsnSeries) has(lsn uint64) bool {
	_, found := slices.BinarySearch(s.sorted, lsn)
	return found
}

// rank is the placeholder: base plus how many LSNs of the series are not above lsn; 0 stays 0.
func (s *lsnSeries) rank(lsn uint64) int64 {
	if lsn == 0 {
		return 0
	}
	i, found := slices.BinarySearch(s.sorted, lsn)
	if found {
		i++
	}
	return s.base + int64(i)
}

// normaliser replaces what differs from run to run by placeholders, in two passes over the records: first LSNs and transaction ids are
// collected, then everything is replaced. Times that do not hold together become -1, so that a comparison sees them.
type normaliser struct {
	database string
	prefix   string // topic.prefix
	signals  string // table of signals as schema.table, whose rows hold random ids
	parallel bool   // snapshot by several threads: one instant

	txIDs    map[int64]int64 // real id → placeholder
	txTimes  map[int64]int64 // placeholder → ts_us
	snapTime map[int64]int64 // ts_us → order of appearance
	uuids    map[string]string
	runs     map[string]string
	snapLSN  lsnSeries
	eventLSN lsnSeries
	endLSN   lsnSeries
}

func newNormaliser(c *Case, database string) *normaliser {
	return &normaliser{
		database: database, prefix: c.connector()["topic.prefix"], signals: c.Props["signal.data.collection"], parallel: c.parallelSnapshot(),
		txIDs: map[int64]int64{}, txTimes: map[int64]int64{}, snapTime: map[int64]int64{}, uuids: map[string]string{}, runs: map[string]string{},
		snapLSN: lsnSeries{base: placeSnapLSN}, eventLSN: lsnSeries{base: placeEventLSN}, endLSN: lsnSeries{base: placeEndLSN},
	}
}

// Parts of records that the rules speak of.

func set(s *schema.StructValue, name string, v schema.Value) {
	if i := s.Schema.Field(name); i >= 0 {
		s.Values[i] = v
	}
}

func sourceOf(r *Record) *schema.StructValue { return r.Value.Struct().Field("source").Struct() }

func isSnapshot(source *schema.StructValue) bool {
	s := source.Field("snapshot")
	return !s.IsNull() && s.Text() != "false" && s.Text() != "incremental"
}

func named(r *Record, suffix string) bool {
	return r.ValueSchema != nil && strings.HasSuffix(r.ValueSchema.Name, suffix)
}

func isHeartbeat(r *Record) bool       { return named(r, ".Heartbeat") }
func isTransaction(r *Record) bool     { return named(r, "TransactionMetadataValue") }
func isEnd(v *schema.StructValue) bool { return v.Field("status").Text() == "END" }

// sequence reads source.sequence, a JSON array of two LSNs as text or null.
func sequence(source *schema.StructValue) (parts [2]*uint64, ok bool, err error) {
	q := source.Field("sequence")
	if q.IsNull() {
		return parts, false, nil
	}
	var texts []*string
	if err := json.Unmarshal([]byte(q.Text()), &texts); err != nil || len(texts) != 2 {
		return parts, false, fmt.Errorf("source.sequence %q: want a JSON array of two", q.Text())
	}
	for i, t := range texts {
		if t == nil {
			continue
		}
		n, err := strconv.ParseUint(*t, 10, 64)
		if err != nil {
			return parts, false, fmt.Errorf("source.sequence %q: %w", q.Text(), err)
		}
		parts[i] = &n
	}
	return parts, true, nil
}

// collect is the first pass.
func (n *normaliser) collect(records []*Record) error {
	for i, r := range records {
		if err := n.collectLSNs(r); err != nil {
			return fmt.Errorf("record %d: %w", i+1, err)
		}
	}
	for i, r := range records {
		s := sourceOf(r)
		if s == nil && isTransaction(r) {
			if _, err := n.txPart(r.Value.Struct().Field("id").Text(), &n.eventLSN); err != nil {
				return fmt.Errorf("record %d: %w", i+1, err)
			}
		}
		id := s.Field("txId")
		if id.IsNull() {
			continue
		}
		place := n.tx(id.Int())
		if _, known := n.txTimes[place]; !known && !isSnapshot(s) {
			n.txTimes[place] = s.Field("ts_us").Int()
		}
	}
	return nil
}

func (n *normaliser) collectLSNs(r *Record) error {
	s := sourceOf(r)
	if s == nil {
		if !isTransaction(r) {
			return nil
		}
		v := r.Value.Struct()
		return collectTx(v.Field("id").Text(), n.seriesOfFrame(v))
	}
	series := n.seriesOf(s)
	if lsn := uint64(s.Field("lsn").Int()); lsn != 0 {
		series.add(lsn)
	}
	parts, _, err := sequence(s)
	if err != nil {
		return err
	}
	if parts[0] != nil {
		n.endLSN.add(*parts[0])
	}
	if parts[1] != nil {
		series.add(*parts[1])
	}
	if t := r.Value.Struct().Field("transaction").Struct(); t != nil {
		return collectTx(t.Field("id").Text(), series)
	}
	return nil
}

func (n *normaliser) seriesOf(source *schema.StructValue) *lsnSeries {
	if isSnapshot(source) {
		return &n.snapLSN
	}
	return &n.eventLSN
}

// seriesOfFrame is the series of the LSN in a BEGIN or END record's id.
func (n *normaliser) seriesOfFrame(v *schema.StructValue) *lsnSeries {
	if isEnd(v) {
		return &n.endLSN
	}
	return &n.eventLSN
}

// splitTx reads a transaction's id, "<xid>:<LSN>" or "<xid>"; the xid may be the word null.
func splitTx(id string) (xid int64, null bool, lsn uint64, hasLSN bool, err error) {
	head, tail, hasLSN := strings.Cut(id, ":")
	if hasLSN {
		if lsn, err = strconv.ParseUint(tail, 10, 64); err != nil {
			return 0, false, 0, false, fmt.Errorf("transaction id %q: %w", id, err)
		}
	}
	if head == "null" && hasLSN {
		return 0, true, lsn, true, nil
	}
	if xid, err = strconv.ParseInt(head, 10, 64); err != nil {
		return 0, false, 0, false, fmt.Errorf("transaction id %q: %w", id, err)
	}
	return xid, false, lsn, hasLSN, nil
}

func collectTx(id string, series *lsnSeries) error {
	_, _, lsn, hasLSN, err := splitTx(id)
	if err == nil && hasLSN && lsn != 0 {
		series.add(lsn)
	}
	return err
}

// txPart is the placeholder of a transaction's id.
func (n *normaliser) txPart(id string, series *lsnSeries) (string, error) {
	xid, null, lsn, hasLSN, err := splitTx(id)
	if err != nil {
		return "", err
	}
	head := "null"
	if !null {
		head = strconv.FormatInt(n.tx(xid), 10)
	}
	if !hasLSN {
		return head, nil
	}
	return head + ":" + strconv.FormatInt(series.rank(lsn), 10), nil
}

func (n *normaliser) tx(id int64) int64 {
	place, ok := n.txIDs[id]
	if !ok {
		place = placeTx + int64(len(n.txIDs)) + 1
		n.txIDs[id] = place
	}
	return place
}

// stamp replaces ts_ms, ts_us and ts_ns; by -1 where they are not one instant. nanos allows for more than microseconds in ts_ns.
func stamp(s *schema.StructValue, us int64, nanos bool) {
	ms, u, ns := s.Field("ts_ms"), s.Field("ts_us"), s.Field("ts_ns")
	ok := true
	if !ms.IsNull() && !u.IsNull() {
		ok = floorDiv(u.Int(), 1000) == ms.Int()
	}
	if !u.IsNull() && !ns.IsNull() {
		ok = ok && (ns.Int() == u.Int()*1000 || nanos && floorDiv(ns.Int(), 1000) == u.Int())
	}
	place := func(name string, was schema.Value, v int64) {
		if was.IsNull() {
			return
		}
		if !ok {
			v = -1
		}
		set(s, name, schema.OfInt64(v))
	}
	place("ts_ms", ms, floorDiv(us, 1000))
	place("ts_us", u, us)
	behind := int64(0)
	if nanos {
		behind = nanosBehind
	}
	place("ts_ns", ns, us*1000+behind)
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b != 0 && (a < 0) != (b < 0) {
		q--
	}
	return q
}

// record is the second pass over one record.
func (n *normaliser) record(r *Record) error {
	n.runID(r)
	switch {
	case isHeartbeat(r):
		stamp(r.Value.Struct(), placeNow, true)
		return nil
	case isTransaction(r):
		return n.frame(r)
	case named(r, "common.Notification"):
		n.notification(r)
		return nil
	}
	s := sourceOf(r)
	if s == nil {
		if n.signals != "" && r.Value.IsNull() && strings.HasSuffix(r.Topic, "."+n.signals) { // a tombstone has its delete's key
			n.scrub(r.Key.Struct())
		}
		return nil
	}
	v := r.Value.Struct()
	stamp(v, placeNow, true)
	series := n.seriesOf(s)
	if err := n.source(s, series); err != nil {
		return err
	}
	if t := v.Field("transaction").Struct(); t != nil {
		id, err := n.txPart(t.Field("id").Text(), series)
		if err != nil {
			return err
		}
		set(t, "id", schema.OfString(id))
	}
	for _, row := range []*schema.StructValue{v.Field("before").Struct(), v.Field("after").Struct()} {
		scrubIdentities(row)
	}
	if n.signals != "" && n.signals == s.Field("schema").Text()+"."+s.Field("table").Text() {
		for _, row := range []*schema.StructValue{v.Field("before").Struct(), v.Field("after").Struct(), r.Key.Struct()} {
			n.scrub(row)
		}
	}
	return nil
}

const runHeader = "__debezium.context.runId"

// runID replaces the header that tells runs of a task apart; it moves to the end, as in the recordings.
func (n *normaliser) runID(r *Record) {
	for i, h := range r.Headers {
		if h.Key != runHeader || h.Value.IsNull() || strings.HasPrefix(h.Value.Text(), "run-") {
			continue
		}
		id, ok := n.runs[h.Value.Text()]
		if !ok {
			id = "run-" + strconv.Itoa(len(n.runs)+1)
			n.runs[h.Value.Text()] = id
		}
		h.Value = schema.OfString(id)
		r.Headers = append(slices.Delete(slices.Clone(r.Headers), i, i+1), h)
		return
	}
}

// frame normalises a BEGIN or END record.
func (n *normaliser) frame(r *Record) error {
	v := r.Value.Struct()
	id := v.Field("id").Text()
	to, err := n.txPart(id, n.seriesOfFrame(v))
	if err != nil {
		return err
	}
	xid, null, _, _, err := splitTx(id)
	if err != nil {
		return err
	}
	place := int64(0)
	if !null {
		place = n.tx(xid)
	}
	ms := floorDiv(placeTxTime+(place-placeTx)*second, 1000)
	if us, known := n.txTimes[place]; known && floorDiv(us, 1000) != v.Field("ts_ms").Int() {
		ms = -1
	}
	set(v, "ts_ms", schema.OfInt64(ms))
	set(v, "id", schema.OfString(to))
	if tables := v.Field("data_collections").Array(); tables != nil {
		for _, t := range tables {
			set(t.Struct(), "data_collection", schema.OfString(scrubIdentity(t.Struct().Field("data_collection").Text())))
		}
		slices.SortStableFunc(tables, func(a, b schema.Value) int {
			return cmp.Compare(a.Struct().Field("data_collection").Text(), b.Struct().Field("data_collection").Text())
		})
	}
	if k := r.Key.Struct(); k != nil {
		if k.Field("id").Text() != id {
			to = "-1"
		}
		set(k, "id", schema.OfString(to))
	}
	return nil
}

func (n *normaliser) notification(r *Record) {
	v := r.Value.Struct()
	set(v, "id", schema.OfString(n.uuid(v.Field("id").Text())))
	set(v, "timestamp", schema.OfInt64(placeNow/1000))
	slices.SortStableFunc(v.Field("additional_data").Map(), func(a, b schema.Entry) int { return cmp.Compare(a.Key.Text(), b.Key.Text()) })
	if k := r.Key.Struct(); k != nil {
		set(k, "id", schema.OfString(n.uuid(k.Field("id").Text())))
	}
}

func (n *normaliser) source(s *schema.StructValue, series *lsnSeries) error {
	tx, us := s.Field("txId"), s.Field("ts_us").Int()
	if !tx.IsNull() {
		set(s, "txId", schema.OfInt64(n.tx(tx.Int())))
	}
	switch {
	case isSnapshot(s):
		order, ok := n.snapTime[us]
		if !ok {
			order = int64(len(n.snapTime)) + 1
			if n.parallel {
				order = 1
			}
			n.snapTime[us] = order
		}
		stamp(s, placeSnap+order*second, false)
	case tx.IsNull(), s.Field("snapshot").Text() == "incremental":
		stamp(s, placeNow, true)
	case n.txTimes[n.tx(tx.Int())] == us:
		stamp(s, placeTxTime+(n.tx(tx.Int())-placeTx)*second, false)
	default: // events of one transaction with several times
		stamp(s, -second, false)
	}
	if lsn := s.Field("lsn"); !lsn.IsNull() {
		set(s, "lsn", schema.OfInt64(series.rank(uint64(lsn.Int()))))
	}
	parts, has, err := sequence(s)
	if err != nil {
		return err
	}
	if has {
		set(s, "sequence", schema.OfString("["+quotedRank(parts[0], &n.endLSN)+","+quotedRank(parts[1], series)+"]"))
	}
	if !s.Field("xmin").IsNull() {
		set(s, "xmin", schema.OfInt64(placeXmin))
	}
	if s.Field("db").Text() == n.database {
		set(s, "db", schema.OfString(placeDatabase))
	}
	return nil
}

func quotedRank(lsn *uint64, series *lsnSeries) string {
	if lsn == nil {
		return "null"
	}
	return `"` + strconv.FormatInt(series.rank(*lsn), 10) + `"`
}

var (
	uuidText    = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	instantText = regexp.MustCompile(`\d{4}-\d\d-\d\dT[0-9:.]+Z`)
	// identityText is what Java prints for an array or an object: a type and a hash that changes from run to run.
	identityText = regexp.MustCompile(`(\[L[\w.]+;|\$LogicalDecodingMessageId)@[0-9a-f]+`)
)

func (n *normaliser) uuid(u string) string {
	if len(u) != 36 || !uuidText.MatchString(u) {
		return u
	}
	place, ok := n.uuids[u]
	if !ok {
		place = "uuid-" + strconv.Itoa(len(n.uuids)+1)
		n.uuids[u] = place
	}
	return place
}

func (n *normaliser) uuidsIn(s string) string { return uuidText.ReplaceAllStringFunc(s, n.uuid) }

// scrub replaces ids and instants in the texts of a row.
func (n *normaliser) scrub(row *schema.StructValue) {
	if row == nil {
		return
	}
	for i, v := range row.Values {
		if v.Type() == schema.String {
			row.Values[i] = schema.OfString(instantText.ReplaceAllString(n.uuidsIn(v.Text()), "2000-01-01T00:00:00Z"))
		}
	}
}

func scrubIdentity(s string) string { return identityText.ReplaceAllString(s, "$1@0") }

// scrubIdentities replaces Java's identity texts in the arrays of a row.
func scrubIdentities(row *schema.StructValue) {
	if row == nil {
		return
	}
	for _, v := range row.Values {
		elems := v.Array()
		for i, e := range elems {
			if e.Type() == schema.String && strings.Contains(e.Text(), "@") {
				elems[i] = schema.OfString(scrubIdentity(e.Text()))
			}
		}
	}
}

// sortedKeys is the keys of a map in order.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
