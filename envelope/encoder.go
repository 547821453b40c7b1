package envelope

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/schema"
)

// Emitter is all that an Encoder needs of whoever runs it; the same interface literal as cdc/source.Emitter, which documents it.
type Emitter = interface {
	Stream(topic string, partition int32, key, value *schema.Schema, headers []schema.Header) (handle int, err error)
	Begin(handle int) (key, value schema.Writer)
	End(first []schema.Header) error
	Flush() error
}

// Encoder writes the records of changes. After an error a record may be half written: neither the Encoder nor its Emitter is of
// use any more. Not safe for concurrent use.
type Encoder struct {
	cfg     Config
	out     Emitter
	types   cdc.Types
	topics  *topics
	headers []schema.Header // of data records and tombstones

	columns  filter
	messages filter // on prefixes
	keyRules []keyRule
	mappers  mappers

	placeholder      string
	placeholderBytes []byte
	skipped          [256]bool // by letter

	scratch  scratch
	lsn      cdc.LSN // of the change at hand
	sequence []byte
	tables   map[string]*tableState
	labels   map[uint32][]string // of enums and of arrays of enums, by OID
	failures *failureLog
	checking bool // in Check: Encode warns

	tx              transaction
	messageHandle   int
	messageSchema   *schema.Schema
	writeContent    writeFunc // content of logical decoding messages
	heartbeatHandle int
}

type keyRule struct {
	tables  patterns
	columns []patterns // one expression each
}

// New makes an Encoder that writes to out. types answers for as long as the Encoder lives.
func New(cfg Config, out Emitter, types cdc.Types) (*Encoder, error) {
	e := &Encoder{cfg: cfg, out: out, types: types, tables: make(map[string]*tableState),
		labels: make(map[uint32][]string), messageHandle: noHandle, heartbeatHandle: noHandle}
	e.tx.handle = noHandle
	if e.cfg.Log == nil {
		e.cfg.Log = slog.New(slog.DiscardHandler)
	}
	if e.cfg.Now == nil {
		e.cfg.Now = time.Now
	}
	e.failures = newFailureLog(e.cfg.Log, e.cfg.Now)
	for _, name := range []struct{ option, text string }{
		{"topic.prefix", cfg.TopicPrefix}, {"topic.delimiter", cfg.Delimiter}, {"topic.transaction", cfg.TransactionTopic},
	} {
		if !topicCharacters.MatchString(name.text) || topicCharacters.FindString(name.text) != name.text {
			return nil, fmt.Errorf("option %s=%q: only the underscore, hyphen, dot and alphanumeric characters are allowed", name.option, name.text)
		}
	}
	var err error
	if e.topics, err = newTopics(&e.cfg); err != nil {
		return nil, err
	}
	if e.columns, err = newFilter("column", cfg.ColumnInclude, cfg.ColumnExclude); err != nil {
		return nil, err
	}
	if e.messages, err = newFilter("message.prefix", cfg.MessageInclude, cfg.MessageExclude); err != nil {
		return nil, err
	}
	if e.keyRules, err = newKeyRules(cfg.KeyColumns); err != nil {
		return nil, err
	}
	if e.mappers, err = newMappers(&cfg); err != nil {
		return nil, err
	}
	if e.placeholderBytes, err = placeholderBytes(cfg.Placeholder); err != nil {
		return nil, fmt.Errorf("option unavailable.value.placeholder=%q: %w", cfg.Placeholder, err)
	}
	e.placeholder = string([]rune(string(e.placeholderBytes))) // bytes that are no UTF-8 read as U+FFFD, in Java too
	for _, op := range cfg.SkippedOps {
		if len(op) == 1 {
			e.skipped[op[0]] = true
		}
	}
	e.headers = contextHeaders(&cfg)
	e.messageSchema = messageSchema(e.binarySchema())
	e.writeContent = e.writeBinary(func(_ *scratch, content []byte) ([]byte, error) { return content, nil })
	return e, nil
}

func newKeyRules(rules []KeyRule) ([]keyRule, error) {
	var out []keyRule
	for _, r := range rules {
		tables, err := compilePatterns("message.key.columns", []string{r.Tables})
		if err != nil {
			return nil, err
		}
		rule := keyRule{tables: tables}
		for _, c := range r.Columns {
			column, err := compilePatterns("message.key.columns", []string{c})
			if err != nil {
				return nil, err
			}
			rule.columns = append(rule.columns, column)
		}
		out = append(out, rule)
	}
	return out, nil
}

// contextHeaders are the headers of data records and tombstones.
func contextHeaders(cfg *Config) []schema.Header {
	if !cfg.Headers {
		return nil
	}
	text := func(key, value string) schema.Header {
		return schema.Header{Key: "__debezium.context." + key, Schema: stringSchema, Value: schema.OfString(value)}
	}
	return []schema.Header{text("connectorLogicalName", cfg.TopicPrefix), text("taskId", cfg.TaskID), text("connectorName", "postgresql"), text("runId", cfg.RunID)}
}

// Headers of the records that a change of key makes.
const (
	headerNewKey = "__debezium.newkey"
	headerOldKey = "__debezium.oldkey"
)

// Encode writes the records of a row change (Read, Insert, Update, Delete, Truncate), 0 to 3, and returns how many.
func (e *Encoder) Encode(p *Plan, c *cdc.Change, at *Source) (records int, err error) {
	e.scratch.snapshot, e.lsn = c.Kind == cdc.Read, c.LSN
	switch c.Kind {
	case cdc.Read:
		key := p.read
		if c.Snapshot == cdc.MarkIncremental { // reads its key whatever is filtered, for the stream may change the row
			key = p.stream
		}
		return e.data(p, key, 'r', at, nil, c.New, nil)
	case cdc.Insert:
		if len(c.New) == 0 {
			return 0, nil // a table without columns
		}
		return e.data(p, p.stream, 'c', at, nil, c.New, nil)
	case cdc.Update:
		if len(c.New) == 0 {
			return 0, nil
		}
		return e.update(p, c, at)
	case cdc.Delete:
		if len(c.Old) == 0 {
			return 0, nil
		}
		return e.delete(p, c.Old, at, nil)
	case cdc.Truncate:
		return e.truncate(p, at)
	}
	return 0, fmt.Errorf("encode change of table %s: %s is no row change", p.id, c.Kind)
}

func (e *Encoder) update(p *Plan, c *cdc.Change, at *Source) (int, error) {
	if e.cfg.SkipUnchanged && c.Old != nil {
		same, err := e.unchanged(p, c)
		if err != nil || same {
			return 0, err
		}
	}
	oldKey, newKey, changed, err := e.keyChange(p, c)
	if err != nil {
		return 0, err
	}
	if !changed {
		return e.data(p, p.stream, 'u', at, c.Old, c.New, nil)
	}
	key := p.stream.schema
	first, err := e.delete(p, c.Old, at, []schema.Header{{Key: headerNewKey, Schema: key, Value: newKey}})
	if err != nil {
		return first, err
	}
	// before is null in the second half, but values the server did not send again come from the old row.
	last, err := e.created(p, at, c, []schema.Header{{Key: headerOldKey, Schema: key, Value: oldKey}})
	return first + last, err
}

// unchanged tells whether an update changes no included column, as the records show them.
func (e *Encoder) unchanged(p *Plan, c *cdc.Change) (bool, error) {
	if sameBytes(p.columns, c.Old, c.New) {
		return true, nil
	}
	old, err := build(p.row, func(w schema.Writer) error { return e.writeRow(p, w, c.Old, nil) })
	if err != nil {
		return false, err
	}
	row, err := build(p.row, func(w schema.Writer) error { return e.writeRow(p, w, c.New, c.Old) })
	return err == nil && row.Equal(old), err
}

// Check tells whether both rows of a change can be written, before Encode writes the first of its records. It is for those who leave changes out
// that cannot.
func (e *Encoder) Check(p *Plan, c *cdc.Change) error {
	e.checking = true
	defer func() { e.checking = false }()
	for _, rows := range [][2]cdc.Tuple{{c.Old, nil}, {c.New, c.Old}} {
		if rows[0] == nil {
			continue
		}
		if _, err := build(p.row, func(w schema.Writer) error { return e.writeRow(p, w, rows[0], rows[1]) }); err != nil {
			return err
		}
	}
	return nil
}

func (e *Encoder) created(p *Plan, at *Source, c *cdc.Change, first []schema.Header) (int, error) {
	if e.skipped['c'] {
		return 0, nil
	}
	return e.emit(p, p.stream, 'c', at, nil, c.New, c.Old, first)
}

// delete writes a delete and its tombstone.
func (e *Encoder) delete(p *Plan, old cdc.Tuple, at *Source, first []schema.Header) (int, error) {
	n, err := e.data(p, p.stream, 'd', at, old, nil, first)
	if err != nil || n == 0 || !e.cfg.Tombstones {
		return n, err
	}
	k := p.stream
	handle, err := e.open(&k.tombstones, p.topic, k.schema, nil, e.headers)
	if err != nil {
		return n, err
	}
	key, _ := e.out.Begin(handle)
	if err := e.writeKey(p, k, key, old, nil); err != nil {
		return n, err
	}
	return n + 1, e.out.End(first)
}

// data writes one data record, unless its operation is skipped. before and after are nil where the envelope has null.
func (e *Encoder) data(p *Plan, k *keyPlan, op byte, at *Source, before, after cdc.Tuple, first []schema.Header) (int, error) {
	if e.skipped[op] && op != 'r' { // snapshots are never skipped, though "r" is accepted
		return 0, nil
	}
	return e.emit(p, k, op, at, before, after, before, first)
}

// emit writes one data record; toast is the row to take unchanged values of after from.
func (e *Encoder) emit(p *Plan, k *keyPlan, op byte, at *Source, before, after, toast cdc.Tuple, first []schema.Header) (int, error) {
	handle, err := e.open(&k.values, p.topic, k.schema, p.envelope, e.headers)
	if err != nil {
		return 0, err
	}
	key, w := e.out.Begin(handle)
	if after == nil {
		err = e.writeKey(p, k, key, before, nil)
	} else {
		err = e.writeKey(p, k, key, after, toast)
	}
	if err != nil {
		return 0, err
	}
	w.BeginStruct()
	if err := e.writeImage(p, w, before, nil); err != nil {
		return 0, err
	}
	if err := e.writeImage(p, w, after, toast); err != nil {
		return 0, err
	}
	e.writeTail(p, w, op, at)
	w.EndStruct()
	return 1, e.out.End(first)
}

func (e *Encoder) truncate(p *Plan, at *Source) (int, error) {
	if e.skipped['t'] {
		return 0, nil
	}
	handle, err := e.open(&p.truncates.values, p.topic, nil, p.envelope, e.headers)
	if err != nil {
		return 0, err
	}
	_, w := e.out.Begin(handle)
	w.BeginStruct()
	w.Null()
	w.Null()
	e.writeTail(p, w, 't', at)
	w.EndStruct()
	return 1, e.out.End(nil)
}

// opTexts spares a conversion per record.
var opTexts = [256]string{'r': "r", 'c': "c", 'u': "u", 'd': "d", 't': "t"}

// writeTail writes the fields of an envelope after the rows.
func (e *Encoder) writeTail(p *Plan, w schema.Writer, op byte, at *Source) {
	e.writeSourceOf(p, w, at)
	if op == 'r' {
		w.Null() // snapshots have no transactions
	} else {
		e.writeBlock(w, at, p.table)
	}
	w.String(opTexts[op])
	now := e.cfg.Now()
	w.Int(now.UnixMilli())
	w.Int(now.UnixMicro())
	w.Int(now.UnixNano())
}

// writeImage writes before or after.
func (e *Encoder) writeImage(p *Plan, w schema.Writer, tuple, toast cdc.Tuple) error {
	if tuple == nil {
		w.Null()
		return nil
	}
	return e.writeRow(p, w, tuple, toast)
}

func (e *Encoder) writeRow(p *Plan, w schema.Writer, tuple, toast cdc.Tuple) error {
	w.BeginStruct()
	for i := range p.columns {
		if err := e.writeColumn(p, &p.columns[i], tuple, toast, w); err != nil {
			return err
		}
	}
	w.EndStruct()
	return nil
}

// writeColumn writes one field. toast is the old row, where an unchanged value may stand; nil without.
func (e *Encoder) writeColumn(p *Plan, c *columnPlan, tuple, toast cdc.Tuple, w schema.Writer) error {
	if c.index >= len(tuple) || c.absent {
		return e.writeNull(p, c, w)
	}
	d := &tuple[c.index]
	if d.Kind == cdc.Unchanged && c.index < len(toast) && toast[c.index].Kind == cdc.Text {
		d = &toast[c.index]
	}
	switch d.Kind {
	case cdc.Text:
		err := c.write(&e.scratch, d.Bytes, w)
		if err == nil {
			return nil
		}
		return e.failed(p, c, d.Kind, err, w)
	case cdc.Null:
		return e.writeNull(p, c, w)
	case cdc.Unchanged:
		return e.writeUnchanged(p, c, w)
	}
	return e.failed(p, c, d.Kind, errMalformed, w)
}

func (e *Encoder) writeNull(p *Plan, c *columnPlan, w schema.Writer) error {
	switch {
	case c.mapNull != nil:
		return c.mapNull(&e.scratch, c.null, w)
	case !c.null.IsNull():
		c.null.WriteTo(w)
	case c.field.Optional:
		w.Null()
	default:
		return e.convertError(p, c, cdc.Null, errNull)
	}
	return nil
}

func (e *Encoder) writeUnchanged(p *Plan, c *columnPlan, w schema.Writer) error {
	switch {
	case c.mapNull != nil && !c.unchanged.IsNull():
		return c.mapNull(&e.scratch, c.unchanged, w)
	case !c.unchanged.IsNull():
		c.unchanged.WriteTo(w)
	case c.field.Optional || c.field.Default != nil:
		w.Null()
	default:
		return e.convertError(p, c, cdc.Unchanged, errNotSent)
	}
	return nil
}

// failed settles what becomes of a value its schema cannot hold, by event.converting.failure.handling.mode.
func (e *Encoder) failed(p *Plan, c *columnPlan, kind cdc.DatumKind, err error, w schema.Writer) error {
	bad := e.convertError(p, c, kind, err)
	if e.cfg.OnFailure == FailureFail || !c.field.Optional && c.field.Default == nil {
		return bad
	}
	if e.cfg.OnFailure == FailureWarn && !e.checking {
		e.failures.warn(bad)
	}
	w.Null()
	return nil
}

func (e *Encoder) convertError(p *Plan, c *columnPlan, kind cdc.DatumKind, err error) *ConvertError {
	return &ConvertError{Table: p.id, Column: c.name, Type: c.typeName, Kind: kind, LSN: e.lsn, Err: err}
}
