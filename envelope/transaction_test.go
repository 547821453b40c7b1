package envelope_test

import (
	"testing"

	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/schema"
)

// TestMessagesInTransaction: however many messages a transaction has, offsets stay small, and the total goes on where it was left.
func TestMessagesInTransaction(t *testing.T) {
	props := map[string]string{"topic.prefix": "p", "provide.transaction.metadata": "true"}
	message := &cdc.Change{Kind: cdc.Message, Transactional: true, Prefix: "m"}
	for _, messages := range []int{0, 1, 64, 65, 1000} {
		e := newEncoder(t, props, &keeper{}, serverTypes)
		if _, err := e.Begin(&here); err != nil {
			t.Fatal(err)
		}
		for range messages {
			if _, err := e.Message(message, &here); err != nil {
				t.Fatal(err)
			}
		}
		counts := e.TxCounts(nil)
		names := make(map[string]bool)
		for _, c := range counts {
			names[c.Collection] = true
		}
		if len(counts) != min(messages, 64) || len(names) != len(counts) {
			t.Errorf("behind %d messages there are %d counts of %d names, want %d of different ones", messages, len(counts), len(names), min(messages, 64))
		}
		out := &keeper{}
		resumed := newEncoder(t, props, out, serverTypes)
		resumed.ResumeTx(counts)
		if _, err := resumed.Message(message, &here); err != nil {
			t.Fatal(err)
		}
		block := out.value.Value().Struct().Field("transaction").Struct()
		if got, want := block.Field("total_order"), schema.OfInt64(int64(messages+1)); !got.Equal(want) {
			t.Errorf("total_order of a message behind %d and a restart = %d, want %d", messages, got.Int(), messages+1)
		}
		if _, err := resumed.End(&here); err != nil {
			t.Fatal(err)
		}
		if got, want := out.value.Value().Struct().Field("event_count"), schema.OfInt64(int64(messages+1)); !got.Equal(want) {
			t.Errorf("event_count of END behind %d messages, a restart and one more = %d, want %d", messages, got.Int(), messages+1)
		}
	}
}
