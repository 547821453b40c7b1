package envelope

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/schema"
)

// noteEmitter keeps values as they are written.
type noteEmitter struct {
	topics     []string
	schemas    [2]*schema.Schema
	key, value *schema.Builder
	got        []string
	fail       error
}

func (e *noteEmitter) Stream(topic string, _ int32, key, value *schema.Schema, _ []schema.Header) (int, error) {
	e.topics = append(e.topics, topic)
	e.schemas = [2]*schema.Schema{key, value}
	return len(e.topics) - 1, e.fail
}

func (e *noteEmitter) Begin(int) (key, value schema.Writer) {
	e.key, e.value = schema.NewBuilder(e.schemas[0]), schema.NewBuilder(e.schemas[1])
	return e.key, e.value
}

func (e *noteEmitter) Flush() error { return nil }

func (e *noteEmitter) End([]schema.Header) error {
	v := e.value.Value().Struct()
	text := e.key.Value().Struct().Field("id").Text()
	for _, f := range []string{"id", "type", "aggregate_type"} {
		text += " " + v.Field(f).Text()
	}
	for _, entry := range v.Field("additional_data").Map() {
		text += " " + entry.Key.Text() + "=" + entry.Value.Text()
	}
	if v.Field("timestamp").Int() != 1700000000123 {
		text += " at another time"
	}
	e.got = append(e.got, text)
	return nil
}

func TestNotificationTopic(t *testing.T) {
	out := &noteEmitter{}
	topic := NewNotificationTopic(out, "notes")
	if len(out.topics) != 0 {
		t.Errorf("NewNotificationTopic opened %q, want nothing before the first notification", out.topics)
	}
	at := time.UnixMilli(1700000000123)
	for _, n := range []*Notification{
		{ID: "1", Aggregate: "Initial Snapshot", Type: "STARTED", Data: []Detail{{"connector_name", "p"}}},
		{ID: "2", Aggregate: "Incremental Snapshot", Type: "PAUSED", Data: []Detail{{"connector_name", "p"}, {"data_collections", "a,b"}}},
		{ID: "3", Aggregate: "Initial Snapshot", Type: "COMPLETED"},
	} {
		if err := topic.Write(n, at); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"1 1 STARTED Initial Snapshot connector_name=p", "2 2 PAUSED Incremental Snapshot connector_name=p data_collections=a,b", "3 3 COMPLETED Initial Snapshot"}
	if diff := cmp.Diff(want, out.got); diff != "" {
		t.Errorf("notifications (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"notes"}, out.topics); diff != "" {
		t.Errorf("topics opened (-want +got):\n%s", diff)
	}
	failing := &noteEmitter{fail: errors.New("boom")}
	if err := NewNotificationTopic(failing, "notes").Write(&Notification{}, at); err != failing.fail {
		t.Errorf("Write to a topic that cannot be opened = %v, want %v", err, failing.fail)
	}
}
