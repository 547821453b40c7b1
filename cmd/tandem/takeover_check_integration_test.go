//go:build integration

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// published is a record of either runner, as JsonConverter with schemas writes it.
type published struct {
	key, value envelopeJSON
	tombstone  bool
	headers    string // names
}

type envelopeJSON struct {
	Schema  json.RawMessage `json:"schema"`
	Payload struct {
		ID          any               `json:"id"` // of keys, and of transactions
		Op          string            `json:"op"`
		Before      map[string]any    `json:"before"`
		After       map[string]any    `json:"after"`
		Message     map[string]string `json:"message"`
		Status      string            `json:"status"`
		Events      int               `json:"event_count"`
		Transaction *struct {
			ID    string `json:"id"`
			Total int    `json:"total_order"`
		} `json:"transaction"`
		Source struct {
			Version, Connector, Name string
		} `json:"source"`
	} `json:"payload"`
}

// consume begins to read all topics of the connector.
func (h *takeover) consume() {
	c, err := kgo.NewClient(kgo.SeedBrokers(requiredEnv(h.T, "TANDEM_KAFKA")), kgo.ConsumeRegex(), kgo.ConsumeTopics(`^`+h.name+`\..*`),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.MetadataMinAge(100*time.Millisecond), kgo.MetadataMaxAge(500*time.Millisecond), kgo.FetchMaxWait(50*time.Millisecond))
	if err != nil {
		h.Fatal(err)
	}
	h.Cleanup(c.Close)
	h.consumer = c
}

// poll takes what is there.
func (h *takeover) poll() {
	h.Helper()
	ctx, cancel := context.WithTimeout(h.Context(), 100*time.Millisecond)
	defer cancel()
	h.consumer.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
		p := published{tombstone: r.Value == nil}
		for _, side := range []struct {
			text []byte
			into *envelopeJSON
		}{{r.Key, &p.key}, {r.Value, &p.value}} {
			if side.text == nil {
				continue
			}
			d := json.NewDecoder(bytes.NewReader(side.text))
			d.UseNumber()
			if err := d.Decode(side.into); err != nil {
				h.Fatalf("record of topic %s: %v: %s", r.Topic, err, side.text)
			}
		}
		var names []string
		for _, header := range r.Headers {
			names = append(names, header.Key)
		}
		p.headers = strings.Join(names, " ")
		h.topics[r.Topic] = append(h.topics[r.Topic], p)
	})
}

// readToEnd takes all that is in the topics now.
func (h *takeover) readToEnd() {
	h.Helper()
	ask := kmsg.NewPtrMetadataRequest()
	topics, err := ask.RequestWith(h.Context(), h.consumer)
	if err != nil {
		h.Fatal(err)
	}
	offsets := kmsg.NewPtrListOffsetsRequest()
	for _, t := range topics.Topics {
		if t.Topic != nil && strings.HasPrefix(*t.Topic, h.name+".") {
			partition := kmsg.NewListOffsetsRequestTopicPartition()
			partition.Timestamp = -1 // the end
			of := kmsg.NewListOffsetsRequestTopic()
			of.Topic, of.Partitions = *t.Topic, append(of.Partitions, partition)
			offsets.Topics = append(offsets.Topics, of)
		}
	}
	for _, shard := range h.consumer.RequestSharded(h.Context(), offsets) {
		if shard.Err != nil {
			h.Fatal(shard.Err)
		}
		for _, t := range shard.Resp.(*kmsg.ListOffsetsResponse).Topics {
			h.until("topic "+t.Topic+" is read", func() (bool, string) {
				h.poll()
				return int64(len(h.topics[t.Topic])) >= t.Partitions[0].Offset, fmt.Sprintf("%d of %d records", len(h.topics[t.Topic]), t.Partitions[0].Offset)
			})
		}
	}
}

func (h *takeover) records(table string) []published { return h.topics[h.name+"."+table] }

// rows counts the records of each id of a table that is only added to.
func (h *takeover) rows(table string) map[int64]int {
	seen := make(map[int64]int)
	for _, r := range h.records("public." + table) {
		seen[number(r.value.Payload.After["id"])]++
	}
	return seen
}

func number(v any) int64 {
	n, _ := v.(json.Number)
	i, _ := n.Int64()
	return i
}

// check compares all records with what was written. exactly: nothing comes twice.
func (h *takeover) check(exactly bool) {
	h.Helper()
	for _, table := range []string{"audit", "big"} {
		h.checkRows(table, exactly)
	}
	h.checkCounters(exactly)
	h.checkKeyed(exactly)
	h.checkCounts(exactly)
	h.checkTransactions(exactly)
	h.checkShapes()
	h.checkLog()
	if h.Failed() {
		h.Logf("last offset: %s", h.offset())
	}
}

// checkRows wants every row of a table.
func (h *takeover) checkRows(table string, exactly bool) {
	h.Helper()
	rows, err := h.db.Query(h.Context(), "SELECT id FROM "+table+" ORDER BY id")
	if err != nil {
		h.Fatal(err)
	}
	seen, missing, repeated, total := h.rows(table), 0, 0, 0
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			h.Fatal(err)
		}
		total++
		switch n := seen[id]; {
		case n == 0:
			missing++
		case n > 1:
			repeated += n - 1
		}
		delete(seen, id)
	}
	if err := rows.Err(); err != nil {
		h.Fatal(err)
	}
	if missing > 0 || len(seen) > 0 || exactly && repeated > 0 {
		h.Errorf("topic of table %s: %d of %d rows are missing, %d come again, %d were never written", table, missing, total, repeated, len(seen))
	}
	h.Logf("table %s: %d rows, %d published again", table, total, repeated)
}

// checkCounters wants every value of every counter, in order.
func (h *takeover) checkCounters(exactly bool) {
	h.Helper()
	last := make(map[int64]int64)
	for _, r := range h.records("public.counters") {
		id, n := number(r.value.Payload.After["id"]), number(r.value.Payload.After["n"])
		if before, known := last[id]; known && n != before+1 && (exactly || n > before) {
			h.Errorf("counter %d is %d after %d", id, n, before)
		}
		last[id] = max(last[id], n)
	}
	for id := range int64(5) {
		var want int64
		if err := h.db.QueryRow(h.Context(), "SELECT n FROM counters WHERE id = $1", id+1).Scan(&want); err != nil {
			h.Fatal(err)
		}
		if last[id+1] != want {
			h.Errorf("counter %d ends at %d, want %d", id+1, last[id+1], want)
		}
	}
}

// checkKeyed applies the records of a table whose keys change, as a compacted topic would, and compares.
func (h *takeover) checkKeyed(exactly bool) {
	h.Helper()
	got, created, tombstones := make(map[int64]string), 0, 0
	for _, r := range h.records("public.keyed") {
		id := number(r.key.Payload.ID)
		if r.tombstone {
			tombstones++
			delete(got, id)
		} else if after := r.value.Payload.After; after != nil {
			got[id] = after["v"].(string)
			if strings.Contains(r.headers, "oldkey") {
				created++
			}
		}
	}
	want := make(map[int64]string)
	rows, err := h.db.Query(h.Context(), "SELECT id, v FROM keyed")
	if err != nil {
		h.Fatal(err)
	}
	for rows.Next() {
		var id int64
		var v string
		if err := rows.Scan(&id, &v); err != nil {
			h.Fatal(err)
		}
		want[id] = v
	}
	if d := cmp.Diff(want, got); d != "" {
		h.Errorf("table keyed from its records (-want +got):\n%s", d)
	}
	if exactly && (created != h.load.keyChanges || tombstones != 2*h.load.keyChanges) {
		h.Errorf("%d records of new keys and %d tombstones, want %d and %d", created, tombstones, h.load.keyChanges, 2*h.load.keyChanges)
	}
}

// checkCounts wants every TRUNCATE and every message.
func (h *takeover) checkCounts(exactly bool) {
	h.Helper()
	truncates := 0
	for _, r := range h.records("public.cut") {
		if r.value.Payload.Op == "t" {
			truncates++
		}
	}
	contents := make(map[string]int)
	for _, r := range h.records("message") {
		contents[r.value.Payload.Message["content"]]++
	}
	total := 0
	for _, n := range contents {
		total += n
	}
	if truncates < h.load.truncates || len(contents) != h.load.messages || exactly && (truncates != h.load.truncates || total != len(contents)) {
		h.Errorf("%d truncates and %d messages, %d of them different; want %d and %d", truncates, total, len(contents), h.load.truncates, h.load.messages)
	}
}

// checkTransactions wants BEGIN and END of each transaction, and its events numbered without a gap.
func (h *takeover) checkTransactions(exactly bool) {
	h.Helper()
	type transaction struct{ begins, ends, events int }
	all := make(map[string]*transaction)
	of := func(id string) *transaction {
		xid, _, _ := strings.Cut(id, ":")
		if all[xid] == nil {
			all[xid] = new(transaction)
		}
		return all[xid]
	}
	for _, r := range h.records("transaction") {
		tx := of(r.value.Payload.ID.(string))
		if r.value.Payload.Status == "BEGIN" {
			tx.begins++
		} else {
			tx.ends++
			tx.events = r.value.Payload.Events
		}
	}
	orders := make(map[string][]int)
	for _, records := range h.topics {
		for _, r := range records {
			if tx := r.value.Payload.Transaction; tx != nil {
				xid, _, _ := strings.Cut(tx.ID, ":")
				orders[xid] = append(orders[xid], tx.Total)
			}
		}
	}
	for xid, tx := range all {
		got := orders[xid]
		slices.Sort(got)
		if !exactly {
			got = slices.Compact(got)
		}
		want := make([]int, tx.events)
		for i := range want {
			want[i] = i + 1
		}
		if tx.begins == 0 || tx.ends == 0 || exactly && (tx.begins > 1 || tx.ends > 1) || !slices.Equal(got, want) {
			h.Errorf("transaction %s: %d BEGIN, %d END of %d events, %s", xid, tx.begins, tx.ends, tx.events, firstGap(got))
		}
	}
	h.Logf("%d transactions", len(all))
}

// firstGap says where a numbering from 1 goes wrong.
func firstGap(numbers []int) string {
	for i, n := range numbers {
		if n != i+1 {
			return fmt.Sprintf("%d records, of which the %dth bears %d", len(numbers), i+1, n)
		}
	}
	return fmt.Sprintf("%d records", len(numbers))
}

// checkShapes wants one schema per topic for keys and for values, and the same headers, whoever published.
func (h *takeover) checkShapes() {
	h.Helper()
	for topic, records := range h.topics {
		shapes := make(map[string]string)
		for _, r := range records {
			kind := "record"
			if r.tombstone {
				kind = "tombstone"
			} else if r.value.Payload.Op == "t" {
				kind = "truncate"
			}
			for part, text := range map[string]string{"key of a ": canonicalJSON(r.key.Schema), "value of a ": canonicalJSON(r.value.Schema),
				"headers of a ": strings.NewReplacer("__debezium.newkey ", "", "__debezium.oldkey ", "").Replace(r.headers)} {
				before, known := shapes[part+kind]
				if known && before != text {
					h.Errorf("topic %s: %s%s (-one +another):\n%s", topic, part, kind, cmp.Diff(before, text))
					return
				}
				shapes[part+kind] = text
			}
		}
	}
}

func canonicalJSON(text []byte) string {
	var v any
	if json.Unmarshal(text, &v) != nil {
		return string(text)
	}
	out, _ := json.Marshal(v)
	return string(out)
}
