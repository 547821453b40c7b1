package polling

import (
	"fmt"
	"math"
	"strings"
	"testing"
)

// What the Java connector stores, letter by letter: HashMap's order of the keys.
func TestOffsetJSON(t *testing.T) {
	for want, o := range map[string]offset{
		`{}`:                                    {},
		`{"incrementing":3}`:                    {id: 3, hasID: true},
		`{"incrementing":-9223372036854775808}`: {id: math.MinInt64, hasID: true},
		`{"timestamp_nanos":123456000,"timestamp":1709202030123}`: {at: moment{1709202030, 123456000}, hasMoment: true},
		`{"timestamp_nanos":900000000,"timestamp":-100}`:          {at: moment{-1, 900000000}, hasMoment: true},
		`{"timestamp_nanos":0,"incrementing":7,"timestamp":2000}`: {at: moment{2, 0}, hasMoment: true, id: 7, hasID: true},
	} {
		if got := string(o.appendJSON(nil)); got != want {
			t.Errorf("appendJSON(%+v) = %s, want %s", o, got, want)
		}
		got, err := parseOffset([]byte(want))
		if err != nil || got != o {
			t.Errorf("parseOffset(%s) = %+v, %v, want %+v", want, got, err, o)
		}
	}
	for text, want := range map[string]offset{ // of older releases: without nanoseconds
		`{"timestamp":1709202030123}`: {at: moment{1709202030, 123000000}, hasMoment: true},
		`{"timestamp":-1}`:            {at: moment{-1, 999000000}, hasMoment: true},
		`null`:                        {},
		`{"incrementing":null,"x":1}`: {},
	} {
		if got, err := parseOffset([]byte(text)); err != nil || got != want {
			t.Errorf("parseOffset(%s) = %+v, %v, want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{`7`, `{"incrementing":"3"}`, `{"incrementing":1.5}`, `{"incrementing":9223372036854775808}`, `{"timestamp":true}`,
		`{"timestamp":1,"timestamp_nanos":1000000000}`, `{"timestamp":1,"timestamp_nanos":-1}`, `{`} {
		if got, err := parseOffset([]byte(text)); err == nil {
			t.Errorf("parseOffset(%s) = %+v, want an error", text, got)
		}
	}
}

func TestPartitions(t *testing.T) {
	id := tableID{schema: `s<"`, table: "t"}
	if got, want := string(tablePartition(id.String())), `{"protocol":"1","table":"s<\".t"}`; got != want {
		t.Errorf("tablePartition = %s, want %s", got, want)
	}
	if got, want := string(oldTablePartition(id)), `{"table":"t"}`; got != want {
		t.Errorf("oldTablePartition = %s, want %s", got, want)
	}
}

// Each form that the partition of a table ever had is found, and goes on as the one that reads it next looks for it.
func TestStoredForms(t *testing.T) {
	db := postgresDB(t)
	db.exec("create table item (id serial primary key)")
	db.exec("insert into item select from generate_series(1, 5)")
	base := strings.Split(strings.Split(db.url, "/")[3], "?")[0]
	for stored, writes := range map[string]string{
		`{"protocol":"1","table":"public.item"}`:                       `{"protocol":"1","table":"public.item"}`,
		fmt.Sprintf(`{"protocol":"1","table":"%s.public.item"}`, base): fmt.Sprintf(`{"protocol":"1","table":"%s.public.item"}`, base),
		`{"table":"public.item","protocol":"1"}`:                       `{"protocol":"1","table":"public.item"}`,
		`{"table":"item"}`:                                             `{"protocol":"1","table":"public.item"}`,
	} {
		offsets := newStore()
		offsets.offsets[stored] = `{"incrementing":3}`
		r := start(t, db.one("mode", "incrementing"), offsets)
		r.polled(t)
		r.stop(t)
		if got := fmt.Sprint(ids(r.out.all(), "id")); got != "[4 5]" {
			t.Errorf("ids behind %s = %s, want [4 5]", stored, got)
		}
		offsets.commit(r.Task, 2)
		if got := offsets.offsets[writes]; got != `{"incrementing":5}` {
			t.Errorf("offset of %s behind %s = %s, want id 5", writes, stored, got)
		}
	}
}

func TestCheckOffset(t *testing.T) {
	table := `{"protocol":"1","table":"public.t"}`
	base := map[string]string{"connection.url": "jdbc:postgresql://h/d", "topic.prefix": "t", "incrementing.column.name": "id", "timestamp.column.name": "at"}
	for _, c := range []struct{ mode, query, partition, offset, want string }{
		{"incrementing", "", table, `{"incrementing":3}`, ""},
		{"incrementing", "", `{"table":"t"}`, `{"incrementing":3}`, ""},
		{"incrementing", "", `{"anything":1}`, `null`, ""},
		{"incrementing", "", table, `{"timestamp":3}`, "should contain the key 'incrementing'"},
		{"incrementing", "", table, `{"incrementing":"3"}`, "the value for the 'incrementing' key"},
		{"incrementing", "", table, `{"position":3}`, "no key 'position'"},
		{"incrementing", "", table, `7`, "should either be null or an object"},
		{"incrementing", "", `{"query":"query"}`, `{"incrementing":3}`, "should contain the key 'table'"},
		{"incrementing", "", `{"table":"t","protocol":1}`, `{"incrementing":3}`, "Partition objects should be"},
		{"incrementing", "select 1", `{"query":"query"}`, `{"incrementing":3}`, ""},
		{"incrementing", "select 1", table, `{"incrementing":3}`, "Partition objects of a query"},
		{"timestamp", "", table, `{"timestamp":3,"timestamp_nanos":3000000}`, ""},
		{"timestamp+incrementing", "", table, `{"incrementing":3}`, "should contain the key 'timestamp'"},
		{"bulk", "", table, `{"incrementing":3}`, "mode=bulk"},
	} {
		props := map[string]string{"mode": c.mode, "query": c.query}
		for k, v := range base {
			props[k] = v
		}
		err := CheckOffset(props, []byte(c.partition), []byte(c.offset))
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("CheckOffset(mode %s, %s, %s) = %v, want %q", c.mode, c.partition, c.offset, err, c.want)
		}
	}
}

// Records of several tables are acknowledged in one order; each table's offset follows its own.
func TestPositions(t *testing.T) {
	p := newPositions(3)
	p.begin(0, offset{id: 10, hasID: true})
	at := func(id int64) offset { return offset{id: id, hasID: true} }
	p.mark(1, 0, at(11))
	p.mark(2, 1, at(1))
	p.mark(2, 2, at(5))
	p.mark(3, 0, at(12))
	p.mark(3, 0, at(13))
	take := func(n uint64) (got []string) {
		for _, m := range p.behind(n, 3) {
			got = append(got, fmt.Sprintf("%d:%d", m.partition, m.at.id))
		}
		p.stored()
		return got
	}
	for _, c := range []struct {
		n    uint64
		want string
	}{{0, "[]"}, {1, "[0:11]"}, {1, "[]"}, {2, "[1:1 2:5]"}, {9, "[0:13]"}, {9, "[]"}} {
		if got := fmt.Sprint(take(c.n)); got != c.want {
			t.Errorf("offsets behind %d = %s, want %s", c.n, got, c.want)
		}
	}
	p.mark(10, 0, at(13)) // where it was
	if got := take(10); got != nil {
		t.Errorf("an offset that did not move = %v, want none", got)
	}
	p.mark(11, 2, at(6))
	p.mark(12, 1, at(2))
	p.behind(12, 3) // nobody stores it
	if got := p.behind(12, 1); len(got) != 1 || got[0] != (moved{1, at(2)}) {
		t.Errorf("behind(12, 1) = %v, want that of partition 1 alone", got)
	}
	p.stored()
	if got := fmt.Sprint(take(12)); got != "[2:6]" {
		t.Errorf("offsets behind 12 = %s, want [2:6]", got)
	}
	for i := range uint64(100_000) { // what is done with makes room
		p.mark(20+i, 1, at(int64(i)))
		if i%10 == 9 {
			take(20 + i)
		}
	}
	if cap(p.marks) > 100 {
		t.Errorf("room for %d marks, want few", cap(p.marks))
	}
}

// A worker that does not ask for long costs no memory, and no record: what is known is never beyond what is acknowledged.
func TestPositionsThin(t *testing.T) {
	p := newPositions(2)
	for i := range int64(1_000_000) {
		p.mark(uint64(i+1), int(i/400_000%2), offset{id: i + 1, hasID: true})
	}
	if len(p.marks) > maxMarks {
		t.Errorf("%d marks, want at most %d", len(p.marks), maxMarks)
	}
	for _, n := range []uint64{1, 100, 399_999, 400_001, 777_777, 1_000_000} {
		for _, m := range p.behind(n, 2) {
			if uint64(m.at.id) > n {
				t.Fatalf("behind %d partition %d stands at %d", n, m.partition, m.at.id)
			}
		}
		p.stored()
	}
	if got := p.reached[0].stored.id; got != 1_000_000 {
		t.Errorf("the last offset is %d, want 1000000", got)
	}
	if got := p.reached[1].stored.id; got != 800_000 {
		t.Errorf("the last offset of the other partition is %d, want 800000", got)
	}
}

func FuzzParseOffset(f *testing.F) {
	f.Add([]byte(`{"timestamp_nanos":0,"incrementing":7,"timestamp":2000}`))
	f.Add([]byte(`{"timestamp":-9223372036854775808}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		o, err := parseOffset(text)
		if err != nil {
			return
		}
		if again, err := parseOffset(o.appendJSON(nil)); err != nil || again != o {
			t.Errorf("parseOffset(%s) = %+v, %v, want %+v", o.appendJSON(nil), again, err, o)
		}
	})
}
