package pgoutput_test

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/cdc/pgoutput"
)

// Messages of a made-up stream, in hexadecimal; spaces stand between fields.
const (
	beginHex    = "42 0000000000000100 0000000000000000 00000007"
	commitHex   = "43 00 0000000000000100 0000000000000130 0000000000000000"
	originHex   = "4f 0000000000000010 6e6f646500"
	relationHex = "52 00000001 7075626c696300 7400 64 0002 01 696400 00000017 ffffffff 00 6e00 00000019 ffffffff"
	insertHex   = "49 00000001 4e 0002 74 00000001 37 6e"
	updateHex   = "55 00000001 4b 0002 74 00000001 37 6e 4e 0002 74 00000001 38 75"
	deleteHex   = "44 00000001 4b 0002 74 00000001 37 6e"
	truncateHex = "54 00000001 00 00000001"
	messageHex  = "4d 01 0000000000000110 7000 00000002 6869"
	typeHex     = "59 00004567 7075626c696300 6d6f6f6400"
)

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestDecodeErrors feeds good messages and a bad last one: nothing is skipped, and what was good stays.
func TestDecodeErrors(t *testing.T) {
	inRow := []string{relationHex, beginHex}
	for _, tt := range []struct {
		name  string
		given []string
		bad   string
		want  error  // nil: any
		text  string // part of the error
	}{
		{"empty", nil, "", pgoutput.ErrTruncated, "empty message"},
		{"unknown tag", nil, "5a", pgoutput.ErrUnknownTag, `message 'Z'`},
		{"stream start", nil, "53 00000001 01", pgoutput.ErrNotRequested, "protocol version 2"},
		{"stream stop", nil, "45", pgoutput.ErrNotRequested, "protocol version 2"},
		{"stream commit", nil, "63 00000001", pgoutput.ErrNotRequested, "protocol version 2"},
		{"begin prepare", nil, "62 00", pgoutput.ErrNotRequested, "protocol version 3"},
		{"stream abort of the transaction at hand", inRow, "41 00000007 00000007", pgoutput.ErrOutOfOrder, "transaction 7"},
		{"stream abort, short", nil, "41 00000007", pgoutput.ErrTruncated, "stream abort"},
		{"begin, short", nil, "42 0000", pgoutput.ErrTruncated, "begin: 2 bytes, want 20"},
		{"begin, long", nil, beginHex + "00", pgoutput.ErrTrailingBytes, "21 bytes, want 20"},
		{"begin twice", inRow, beginHex, pgoutput.ErrOutOfOrder, "inside of transaction 7"},
		{"commit without begin", nil, commitHex, pgoutput.ErrOutOfOrder, "without a begin"},
		{"commit of another", inRow, "43 00 0000000000000101 0000000000000130 0000000000000000", pgoutput.ErrOutOfOrder, "0/101"},
		{"commit flags", inRow, "43 01 0000000000000100 0000000000000130 0000000000000000", nil, "flags 0x01"},
		{"origin outside", nil, originHex, pgoutput.ErrOutOfOrder, "origin"},
		{"origin behind a row", []string{relationHex, beginHex, insertHex}, originHex, pgoutput.ErrOutOfOrder, "origin"},
		{"origin without end", []string{beginHex}, "4f 0000000000000010 6e6f", pgoutput.ErrTruncated, "origin"},
		{"relation, short", nil, "52 00000001 7075626c696300 7400 64 ffff 01", pgoutput.ErrTruncated, "65535 columns"},
		{"relation, long", nil, relationHex + "00", pgoutput.ErrTrailingBytes, "relation: 1 bytes behind"},
		{"relation identity", nil, "52 00000001 7075626c696300 7400 7a 0000", nil, `identity 'z'`},
		{"type, short", nil, "59 0000", pgoutput.ErrTruncated, "type"},
		{"unknown relation", []string{beginHex}, insertHex, pgoutput.ErrUnknownRelation, "relation 1"},
		{"row outside", []string{relationHex}, insertHex, pgoutput.ErrOutOfOrder, "of table public.t"},
		{"columns", inRow, "49 00000001 4e 0001 6e", nil, "1 columns, but the table was announced with 2"},
		{"column kind", inRow, "49 00000001 4e 0002 6e 78", nil, `column "n": kind 'x'`},
		{"column length", inRow, "49 00000001 4e 0002 6e 74 ffffffff 61", pgoutput.ErrTruncated, "4294967295 bytes, 1 are left"},
		{"column missing", inRow, "49 00000001 4e 0002 6e", pgoutput.ErrTruncated, `column "n"`},
		{"insert, trailing", inRow, insertHex + "6e", pgoutput.ErrTrailingBytes, "public.t"},
		{"insert of an old tuple", inRow, "49 00000001 4f 0002 6e 6e", nil, "tuple kind 'O'"},
		{"insert, short", inRow, "49 0000", pgoutput.ErrTruncated, "insert"},
		{"update, no new tuple", inRow, "55 00000001 4b 0002 74 00000001 37 6e", pgoutput.ErrTruncated, "new tuple"},
		{"update, two old tuples", inRow, "55 00000001 4b 0002 6e 6e 4f 0002 6e 6e", nil, "tuple kind 'O' behind"},
		{"update, kind", inRow, "55 00000001 58 0002 6e 6e", nil, "tuple kind 'X'"},
		{"update, trailing", inRow, updateHex + "00", pgoutput.ErrTrailingBytes, "public.t"},
		{"delete of a new tuple", inRow, "44 00000001 4e 0002 6e 6e", nil, "tuple kind 'N'"},
		{"delete, trailing", inRow, deleteHex + "00", pgoutput.ErrTrailingBytes, "public.t"},
		{"truncate, count", inRow, "54 ffffffff 00 00000001", pgoutput.ErrTruncated, "truncate"},
		{"truncate of an unknown relation", inRow, "54 00000002 00 00000001 00000002", pgoutput.ErrUnknownRelation, "relation 2"},
		{"message, length", inRow, "4d 01 0000000000000110 7000 00000003 6869", pgoutput.ErrTruncated, "message"},
		{"message, flags", inRow, "4d 03 0000000000000110 7000 00000002 6869", nil, "flags 0x03"},
		{"transactional message outside", nil, messageHex, pgoutput.ErrOutOfOrder, `prefix "p"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, batch := pgoutput.NewDecoder(), new(cdc.Batch)
			for _, m := range tt.given {
				if err := d.Decode(0x90, unhex(t, m), batch); err != nil {
					t.Fatalf("Decode(%s) = %v", m, err)
				}
			}
			before := len(batch.Changes)
			err := d.Decode(0x99, unhex(t, tt.bad), batch)
			var located *pgoutput.DecodeError
			if !errors.As(err, &located) {
				t.Fatalf("Decode(%s) = %v, want a DecodeError", tt.bad, err)
			}
			if located.LSN != 0x99 || located.Retriable() {
				t.Errorf("DecodeError = {LSN %s, retriable %t}, want {0/99, false}", located.LSN, located.Retriable())
			}
			if tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("Decode(%s) = %v, want %v", tt.bad, err, tt.want)
			}
			if !strings.Contains(err.Error(), tt.text) {
				t.Errorf("Decode(%s) = %q, want %q in it", tt.bad, err, tt.text)
			}
			if len(batch.Changes) != before {
				t.Errorf("a failed Decode left %d changes, want %d", len(batch.Changes), before)
			}
		})
	}
}

// Trap 30: what one connection announced is unknown to the next.
func TestTrap30RelationsBelongToTheDecoder(t *testing.T) {
	batch := new(cdc.Batch)
	first := pgoutput.NewDecoder()
	for _, m := range []string{relationHex, beginHex, insertHex} {
		if err := first.Decode(1, unhex(t, m), batch); err != nil {
			t.Fatal(err)
		}
	}
	second := pgoutput.NewDecoder()
	if err := second.Decode(1, unhex(t, beginHex), batch); err != nil {
		t.Fatal(err)
	}
	if err := second.Decode(1, unhex(t, insertHex), batch); !errors.Is(err, pgoutput.ErrUnknownRelation) {
		t.Errorf("Decode(insert) on a new connection = %v, want %v", err, pgoutput.ErrUnknownRelation)
	}
}

// The payload may be reused as soon as Decode returns.
func TestBatchOwnsItsBytes(t *testing.T) {
	d, batch := pgoutput.NewDecoder(), new(cdc.Batch)
	for _, m := range []string{relationHex, beginHex, updateHex, messageHex} {
		payload := unhex(t, m)
		if err := d.Decode(1, payload, batch); err != nil {
			t.Fatal(err)
		}
		for i := range payload {
			payload[i] = 0xee
		}
	}
	if got := render(batch); strings.Contains(got, `\xee`) {
		t.Errorf("changes point into the payload:\n%s", got)
	}
}

// steady is a stream in its steady state: the relation is known, messages repeat.
func steady(t testing.TB) (*pgoutput.Decoder, [][]byte) {
	t.Helper()
	d := pgoutput.NewDecoder()
	if err := d.Decode(1, unhex(t, relationHex), new(cdc.Batch)); err != nil {
		t.Fatal(err)
	}
	var messages [][]byte
	for _, m := range []string{beginHex, originHex, insertHex, updateHex, deleteHex, truncateHex, messageHex, typeHex, commitHex} {
		messages = append(messages, unhex(t, m))
	}
	return d, messages
}

func TestDecodeAllocatesNothing(t *testing.T) {
	d, messages := steady(t)
	batch := new(cdc.Batch)
	if allocs := testing.AllocsPerRun(100, func() {
		batch.Reset()
		for _, m := range messages {
			if err := d.Decode(1, m, batch); err != nil {
				t.Fatal(err)
			}
		}
	}); allocs != 0 {
		t.Errorf("AllocsPerRun(Decode of a transaction) = %v, want 0", allocs)
	}
}

func BenchmarkDecodeInsert(b *testing.B) {
	d := pgoutput.NewDecoder()
	batch := new(cdc.Batch)
	for _, m := range []string{relationHex, beginHex} {
		if err := d.Decode(1, unhex(b, m), batch); err != nil {
			b.Fatal(err)
		}
	}
	insert := unhex(b, insertHex)
	b.ReportAllocs()
	for b.Loop() {
		batch.Reset() // keeps its buffer: steady state is 0 allocs/op
		if err := d.Decode(1, insert, batch); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "changes/s")
}

func FuzzDecode(f *testing.F) {
	for _, m := range []string{beginHex, commitHex, originHex, relationHex, insertHex, updateHex, deleteHex, truncateHex, messageHex, typeHex,
		"42 00" /* begin, truncated */, "41 00000009 00000009" /* stream abort */, "49 00000001 4e 0002 74 ffffffff" /* a length that is not there */} {
		f.Add(unhex(f, m))
	}
	given := [][]byte{unhex(f, relationHex), unhex(f, beginHex)}
	f.Fuzz(func(t *testing.T, msg []byte) {
		d, batch := pgoutput.NewDecoder(), new(cdc.Batch)
		for _, m := range given {
			if err := d.Decode(1, m, batch); err != nil {
				t.Fatal(err)
			}
		}
		before := len(batch.Changes)
		if err := d.Decode(2, msg, batch); err != nil && len(batch.Changes) != before {
			t.Errorf("a failed Decode left %d changes, want %d", len(batch.Changes), before)
		}
		if max := 1<<16 + 100*len(msg); batch.Size() > max { // nor allocate by a claimed length
			t.Errorf("a message of %d bytes takes %d bytes", len(msg), batch.Size())
		}
		compare(t, batch.Changes[before:], msg)
	})
}
