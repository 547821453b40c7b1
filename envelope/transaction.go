package envelope

import (
	"slices"
	"strconv"
	"strings"

	"github.com/tandem-cdc/tandem/schema"
)

var (
	transactionKeySchema = structure("io.debezium.connector.common.TransactionMetadataKey", 1, "", field("id", stringSchema))
	transactionSchema    = structure("io.debezium.connector.common.TransactionMetadataValue", 1, "",
		field("status", stringSchema),
		field("id", stringSchema),
		field("event_count", optionalInt64),
		field("data_collections", optional(schema.ArrayOf(optional(structure("event.collection", 1, "",
			field("data_collection", stringSchema),
			field("event_count", int64Schema)))))),
		field("ts_ms", int64Schema))
)

// Debezium counts each logical decoding message of a transaction as a collection of its own, under a Java identity text. The identity says
// nothing and is not copied: END records bear messageCollection.
const (
	messageIdentity   = "io.debezium.connector.postgresql.LogicalDecodingMessageMonitor$LogicalDecodingMessageId@"
	messageCollection = messageIdentity + "0"
)

// countedMessages is how many messages offsets count under names of their own, as Debezium's do; the last name counts all further ones, for
// an offset must stay small. A reader that adds up the counts, Debezium or ResumeTx, comes to the same total.
const countedMessages = 64

var messageNames = func() (names [countedMessages]string) {
	for i := range names {
		names[i] = messageIdentity + strconv.FormatInt(int64(i+1), 16)
	}
	return names
}()

// transaction counts the events of the current transaction.
type transaction struct {
	open     bool
	total    int64
	messages int           // transactional logical decoding messages
	touched  []*tableState // tables with events, in order of the first
	id       []byte
	handle   int
}

// TxCount is how many events of a collection, schema.table, the current transaction has so far.
type TxCount struct {
	Collection string
	Events     int64
}

// TxCounts appends the counts of the current transaction to dst: what offsets inside of a transaction keep.
func (e *Encoder) TxCounts(dst []TxCount) []TxCount {
	for _, t := range e.tx.touched {
		dst = append(dst, TxCount{t.id, t.events})
	}
	for i := range min(e.tx.messages, countedMessages) {
		dst = append(dst, TxCount{messageNames[i], 1})
	}
	if e.tx.messages > countedMessages {
		dst[len(dst)-1].Events += int64(e.tx.messages - countedMessages)
	}
	return dst
}

// ResumeTx goes on with the counts of a stored offset: the transaction was begun before a restart. Begin must not be called for it.
func (e *Encoder) ResumeTx(counts []TxCount) {
	e.tx.reset()
	e.tx.open = true
	for _, c := range counts {
		if strings.HasPrefix(c.Collection, messageIdentity) {
			e.tx.messages += int(c.Events)
			e.tx.total += c.Events
			continue
		}
		t := e.tableState(c.Collection)
		t.events = c.Events
		e.tx.total += c.Events
		e.tx.touched = append(e.tx.touched, t)
	}
}

func (t *transaction) reset() {
	for _, table := range t.touched {
		table.events = 0
	}
	t.touched, t.total, t.messages, t.open = t.touched[:0], 0, 0, false
}

// Begin starts the counts of a transaction and writes its BEGIN record. at.LSN is that of the transaction's first change, 0 when the
// transaction has a replication origin, as Debezium sees it. Without provide.transaction.metadata it does nothing.
func (e *Encoder) Begin(at *Source) (records int, err error) {
	if !e.cfg.TransactionMetadata {
		return 0, nil
	}
	e.tx.reset()
	e.tx.open = true
	return e.writeTransaction("BEGIN", at)
}

// End writes the END record of a transaction; at.LSN is the end of its commit.
func (e *Encoder) End(at *Source) (records int, err error) {
	if !e.cfg.TransactionMetadata || !e.tx.open {
		return 0, nil
	}
	records, err = e.writeTransaction("END", at)
	e.tx.reset()
	return records, err
}

func (e *Encoder) writeTransaction(status string, at *Source) (int, error) {
	handle, err := e.open(&e.tx.handle, e.topics.transaction(), transactionKeySchema, transactionSchema, nil)
	if err != nil {
		return 0, err
	}
	e.tx.setID(at)
	key, w := e.out.Begin(handle)
	key.BeginStruct()
	key.Text(e.tx.id)
	key.EndStruct()
	w.BeginStruct()
	w.String(status)
	w.Text(e.tx.id)
	if status == "BEGIN" {
		w.Null()
		w.Null()
	} else {
		w.Int(e.tx.total)
		e.tx.writeCollections(w)
	}
	w.Int(floorDiv(int64(at.Micros), 1000))
	w.EndStruct()
	return 1, e.out.End(nil)
}

// writeCollections writes the counts by name; Debezium's order is that of a Java HashMap, different in every run.
func (t *transaction) writeCollections(w schema.Writer) {
	slices.SortFunc(t.touched, func(a, b *tableState) int { return strings.Compare(a.id, b.id) })
	w.BeginArray(len(t.touched) + t.messages)
	left := t.messages
	for _, table := range t.touched {
		for ; left > 0 && table.id > messageCollection; left-- {
			writeCollection(w, messageCollection, 1)
		}
		writeCollection(w, table.id, table.events)
	}
	for ; left > 0; left-- {
		writeCollection(w, messageCollection, 1)
	}
	w.EndArray()
}

func writeCollection(w schema.Writer, name string, events int64) {
	w.BeginStruct()
	w.String(name)
	w.Int(events)
	w.EndStruct()
}

// setID makes the id <xid>:<LSN>; every record of a transaction has its own LSN in it.
func (t *transaction) setID(at *Source) {
	t.id = strconv.AppendInt(t.id[:0], at.TxID, 10)
	t.id = strconv.AppendUint(append(t.id, ':'), uint64(at.LSN), 10)
}

// writeBlock counts an event of a table and writes the transaction block, null without provide.transaction.metadata.
func (e *Encoder) writeBlock(w schema.Writer, at *Source, table *tableState) {
	if !e.tx.open {
		w.Null()
		return
	}
	if table.events == 0 {
		e.tx.touched = append(e.tx.touched, table)
	}
	table.events++
	e.writeBlockOf(w, at, table.events)
}

func (e *Encoder) writeBlockOf(w schema.Writer, at *Source, order int64) {
	if !e.tx.open {
		w.Null()
		return
	}
	e.tx.total++
	e.tx.setID(at)
	w.BeginStruct()
	w.Text(e.tx.id)
	w.Int(e.tx.total)
	w.Int(order)
	w.EndStruct()
}
