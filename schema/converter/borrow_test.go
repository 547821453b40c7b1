package converter

import (
	"bytes"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"unicode/utf8"

	"github.com/tandem-cdc/tandem/schema"
)

// withoutLeads is a plan whose members' names are all read letter by letter: the plain twin of one that knows how they begin.
func withoutLeads(p *jsonReadPlan) *jsonReadPlan {
	if p == nil {
		return nil
	}
	out := *p
	out.lead, out.key, out.elem = "", withoutLeads(p.key), withoutLeads(p.elem)
	out.fields = nil
	for i := range p.fields {
		out.fields = append(out.fields, *withoutLeads(&p.fields[i]))
	}
	return &out
}

// FuzzBorrowJSON: what is read into a room, and by the beginnings of names, is what is read without either, and so is the error.
func FuzzBorrowJSON(f *testing.F) {
	c := readCase(f, filepath.Join("testdata", "corpus", "bikestore"))
	r := c.records[0]
	plan, err := newJSONPlan(c.schemas[r.ValueSchema], corpusReads)
	if err != nil {
		f.Fatal(err)
	}
	plain := withoutLeads(plan)
	f.Add([]byte(r.Value))
	f.Add(bytes.ReplaceAll(r.Value, []byte(":"), []byte(" : ")))
	f.Add(bytes.ReplaceAll(r.Value, []byte("before"), []byte(`b\u0065fore`)))
	f.Add(bytes.ReplaceAll(r.Value, []byte("1"), []byte("1234567890123456789012")))
	f.Add([]byte(`{"before":null,"after":{},"op":"é\n"}`))
	f.Add([]byte(`{"op":-0,"ts_ms":007,"after":1`))
	room := schema.NewRoom()
	f.Fuzz(func(t *testing.T, data []byte) {
		var full, borrowed jsonDecoder
		want, wantErr := full.decode(plain, data)
		for range 2 { // the second time in memory that was used
			room.Reset()
			got, err := borrowed.borrow(plan, bytes.Clone(data), room)
			if (err == nil) != (wantErr == nil) || err != nil && err.Error() != wantErr.Error() {
				t.Fatalf("borrow(%s) = %v, want the error %v", data, err, wantErr)
			}
			if err == nil && !got.Equal(want) {
				t.Fatalf("borrow(%s) differs from decode", data)
			}
		}
	})
}

// plainStr is scanner.str without a look at eight bytes at once.
func plainStr(s *scanner) (end int, plain, ok bool) {
	plain = true
	for i := s.pos + 1; i < len(s.data); i++ {
		switch c := s.data[i]; {
		case c == '"':
			return i, plain, plain || utf8.Valid(s.data[s.pos+1:i])
		case c == '\\', c < 0x20:
			return i, plain, false
		case c >= utf8.RuneSelf:
			plain = false
		}
	}
	return len(s.data), plain, false
}

// TestStrStopsWhereItShould: at every place of a text each byte is seen for what it is.
func TestStrStopsWhereItShould(t *testing.T) {
	for size := range 40 {
		for at := range size {
			for c := range 256 {
				data := append(bytes.Repeat([]byte("a"), size), '"', 'z')
				data[0], data[at] = '"', byte(c)
				s := scanner{data: data}
				end, _, ok := plainStr(&s)
				if at == 0 || byte(c) == '\\' {
					continue
				}
				text, err := s.str()
				if (err == nil) != ok || ok && !bytes.Equal(text, data[1:end]) {
					t.Fatalf("str of %q = %q, %v, want it to end at %d: %v", data, text, err, end, ok)
				}
			}
		}
	}
}

// TestShortNumbers: a short number is what the long way makes of it, and nothing else is taken for one.
func TestShortNumbers(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	const letters = "0123456789012345678901234567890-+.eE, }"
	for range 200_000 {
		data := make([]byte, 1+r.IntN(24))
		for i := range data {
			data[i] = letters[r.IntN(len(letters))]
		}
		short, long := scanner{data: data}, scanner{data: data}
		got, ok := short.short()
		text, integral, err := long.number()
		if !ok {
			if short.pos != 0 {
				t.Fatalf("short(%q) takes %d bytes and says that it does not", data, short.pos)
			}
			continue
		}
		if err != nil || !integral || short.pos != long.pos || got != javaLong(text, integral) {
			t.Fatalf("short(%q) = %d up to %d, want %s up to %d, %v", data, got, short.pos, text, long.pos, err)
		}
	}
}

// FuzzBorrowAvro: what is built in a room is what is built elsewhere.
func FuzzBorrowAvro(f *testing.F) {
	var readers []schema.Reader
	for _, text := range fuzzSchemas {
		a, err := parseAvro(text)
		if err != nil {
			f.Fatal(err)
		}
		r, err := newAvroReader(a, plainAvro)
		if err != nil {
			f.Fatal(err)
		}
		readers = append(readers, r)
	}
	f.Add(0, []byte{2, 2, 4, 4, 2, 'a', 2, 'b', 0, 2, 2, 'k', 0, 2, 9, 0, 4, 2, 's', 2, 1, 2, 3, 5, 2, 2, 2, 0, 0, 0, 0, 0, 1})
	f.Add(3, []byte{2, 4, 0x30, 0x39})
	room := schema.NewRoom()
	f.Fuzz(func(t *testing.T, which int, data []byte) {
		r := readers[int(uint(which)%uint(len(readers)))]
		full, lent := schema.NewBuilder(r.Schema()), schema.NewBuilder(r.Schema())
		wantErr := r.Read(data, full)
		room.Reset()
		lent.Borrow(room)
		err := r.Read(data, lent)
		if (err == nil) != (wantErr == nil) || err != nil && err.Error() != wantErr.Error() {
			t.Fatalf("into a room: %v, want %v", err, wantErr)
		}
		if err == nil && !lent.Value().Equal(full.Value()) {
			t.Fatal("the value in a room differs")
		}
	})
}
