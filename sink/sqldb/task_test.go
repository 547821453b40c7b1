package sqldb

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/schema"
)

func TestUpsertAndDelete(t *testing.T) {
	d := newDatabase(t)
	task := d.task()
	s := newSource("shop.public.items", 1, field("id", int32Of()), field("name", stringOf()), field("note", nullable()))
	if got := open(t, task, s.topic); got != nil {
		t.Fatalf("Open = %v, want no positions at first", got)
	}
	put(t, task, concat(
		s.create(i32(1), str("one"), str("n1")), s.create(i32(2), str("two"), str("n2")), s.create(i32(3), str("three"), str("n3")),
		s.update(i32(1), str("uno"), unavailable()), s.remove(i32(2), str(""), str("")), s.create(i32(2), str("again"), str("x")),
		s.remove(i32(3), str(""), str("")))...)
	if d := cmp.Diff("1|uno|n1\n2|again|x\n", d.rows("SELECT * FROM shop_public_items ORDER BY id")); d != "" {
		t.Errorf("rows after the first batch: (-want +got)\n%s", d)
	}
	put(t, task, concat(s.update(i32(1), str("eins"), unavailable()), s.rekey([]schema.Value{i32(2), str(""), str("")}, []schema.Value{i32(4), str("vier"), unavailable()}))...)
	if d := cmp.Diff("1|eins|n1\n4|vier|x\n", d.rows("SELECT * FROM shop_public_items ORDER BY id")); d != "" {
		t.Errorf("rows after the second batch: (-want +got)\n%s", d)
	}
	if d := cmp.Diff("sinktest|cluster|shop.public.items|0|id-shop.public.items|13|1\n", d.rows("SELECT connector, cluster_id, topic, partition, topic_id, next_offset, epoch FROM tandem_positions")); d != "" {
		t.Errorf("positions: (-want +got)\n%s", d)
	}
	if d := cmp.Diff("id|integer|NO\nname|text|NO\nnote|text|YES\n", d.rows("SELECT column_name, data_type, is_nullable FROM information_schema.columns WHERE table_name = 'shop_public_items' ORDER BY ordinal_position")); d != "" {
		t.Errorf("columns: (-want +got)\n%s", d)
	}
}
