package client

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/google/go-cmp/cmp"
	"github.com/pierrec/lz4/v4"

	"github.com/tandem-cdc/tandem/kafka"
)

var foldedAt = kafka.TopicPartition{Topic: "orders", Partition: 3}

// wireBatch builds a batch as a broker stores it.
func wireBatch(t testing.TB, first int64, attributes uint16, records []kafka.Record, compress func([]byte) []byte) []byte {
	t.Helper()
	var body []byte
	for i, r := range records {
		b := binary.AppendVarint([]byte{0}, int64(i)) // timestamp delta: i ms
		b = binary.AppendVarint(b, r.Offset-first)
		b = appendWireBytes(appendWireBytes(b, r.Key), r.Value)
		b = binary.AppendVarint(b, int64(len(r.Headers)))
		for _, h := range r.Headers {
			b = appendWireBytes(appendWireBytes(b, []byte(h.Key)), h.Value)
		}
		body = append(binary.AppendVarint(body, int64(len(b))), b...)
	}
	if compress != nil {
		body = compress(body)
	}
	b := make([]byte, batchHeader, batchHeader+len(body))
	binary.BigEndian.PutUint64(b, uint64(first))
	binary.BigEndian.PutUint32(b[batchLength:], uint32(batchHeader+len(body)-12))
	b[batchMagic] = 2
	binary.BigEndian.PutUint16(b[batchAttributes:], attributes)
	binary.BigEndian.PutUint32(b[batchLastDelta:], uint32(records[len(records)-1].Offset-first))
	binary.BigEndian.PutUint64(b[batchFirstTime:], 1_700_000_000_000)
	binary.BigEndian.PutUint64(b[batchLastTime:], 1_700_000_009_000)
	binary.BigEndian.PutUint64(b[43:], ^uint64(0))
	binary.BigEndian.PutUint32(b[batchCount:], uint32(len(records)))
	b = append(b, body...)
	binary.BigEndian.PutUint32(b[batchCRC:], crc32.Checksum(b[batchAttributes:], batchTable))
	return b
}

func appendWireBytes(b, v []byte) []byte {
	if v == nil {
		return binary.AppendVarint(b, -1)
	}
	return append(binary.AppendVarint(b, int64(len(v))), v...)
}

// lz4Frames are the ways a frame is built: Java's blocks of 64 KiB, sarama's of 4 MiB, those that refer to each other, and with all checksums.
func lz4Frames(t testing.TB) map[string]func([]byte) []byte {
	with := func(options ...lz4.Option) func([]byte) []byte {
		return func(plain []byte) []byte {
			var b bytes.Buffer
			w := lz4.NewWriter(&b)
			if err := errors.Join(w.Apply(options...), ignoreCount(w.Write(plain)), w.Close()); err != nil {
				t.Fatal(err)
			}
			return b.Bytes()
		}
	}
	return map[string]func([]byte) []byte{
		"none":  nil,
		"small": with(lz4.BlockSizeOption(lz4.Block64Kb), lz4.ChecksumOption(false)),
		"large": with(lz4.BlockSizeOption(lz4.Block4Mb)),
		"checksums": func(plain []byte) []byte {
			return with(lz4.BlockSizeOption(lz4.Block64Kb), lz4.BlockChecksumOption(true), lz4.SizeOption(uint64(len(plain))))(plain)
		},
		"two frames": func(plain []byte) []byte {
			one := with(lz4.BlockSizeOption(lz4.Block64Kb))
			return append(one(plain[:len(plain)/2]), one(plain[len(plain)/2:])...)
		},
	}
}

func ignoreCount(_ int, err error) error { return err }

// someRecords are n records from first on, with gaps, nulls, headers and values that do and do not compress, some larger than a block.
func someRecords(r *rand.Rand, first int64, n int) []kafka.Record {
	var all []kafka.Record
	at := first
	for range n {
		at += int64(r.IntN(10) / 9)
		rec := kafka.Record{Topic: foldedAt.Topic, Partition: foldedAt.Partition, Offset: at, Timestamp: time.UnixMilli(1_700_000_000_000 + int64(len(all)))}
		at++
		if r.IntN(4) > 0 {
			rec.Key = fmt.Appendf(nil, "key %d", r.IntN(50))
		}
		switch r.IntN(6) {
		case 0:
		case 1:
			rec.Value = []byte{}
		case 2:
			rec.Value = make([]byte, r.IntN(300_000))
			for i := range rec.Value {
				rec.Value[i] = byte(r.Uint32())
			}
		default:
			rec.Value = bytes.Repeat(fmt.Appendf(nil, "value %d ", r.IntN(9)), r.IntN(2000))
		}
		for range r.IntN(3) {
			rec.Headers = append(rec.Headers, kafka.Header{Key: "h", Value: fmt.Appendf(nil, "%d", r.IntN(9))})
		}
		all = append(all, rec)
	}
	return all
}

// wholeBytes compares bytes at once; null is not the same as none.
var wholeBytes = cmp.Comparer(func(a, b []byte) bool { return (a == nil) == (b == nil) && bytes.Equal(a, b) })

// answerOf is an answer to a Fetch request of version 4 or 12 that holds records.
func answerOf(version int16, records []byte) []byte {
	return answerEnding(version, 1000, 1000, nil, records)
}

// answerEnding is one that also tells where the partition ends, and which transactions were aborted.
func answerEnding(version int16, end, committed int64, aborted []abortedFrom, records []byte) []byte {
	b := []byte{0, 0, 0, 0, 0, 0, 0, 9}
	flexible := version >= fetchTagged
	if flexible {
		b = append(b, 0)
	}
	b = append(b, 0, 0, 0, 0) // throttle time
	if flexible {
		b = append(b, 0, 0, 0, 0, 0, 0) // error, session
		b = append(append(append(b, 2, byte(len(foldedAt.Topic)+1)), foldedAt.Topic...), 2)
	} else {
		b = append(append(append(b, 0, 0, 0, 1, 0, byte(len(foldedAt.Topic))), foldedAt.Topic...), 0, 0, 0, 1)
	}
	b = append(b, 0, 0, 0, byte(foldedAt.Partition), 0, 0)
	b = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(b, uint64(end)), uint64(committed))
	if flexible {
		b = binary.BigEndian.AppendUint64(b, 0)
		b = binary.AppendUvarint(b, uint64(len(aborted)+1))
	} else {
		b = binary.BigEndian.AppendUint32(b, uint32(len(aborted)))
	}
	for _, a := range aborted {
		b = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(b, uint64(a.producer)), uint64(a.first))
		if flexible {
			b = append(b, 0)
		}
	}
	if flexible {
		b = append(b, 0xff, 0xff, 0xff, 0xff)
		b = append(binary.AppendUvarint(b, uint64(len(records)+1)), records...)
		b = append(b, 0, 0, 0)
	} else {
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(records))), records...)
	}
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	return b
}

// foldThrough sends an answer through a folder's connection and returns what sarama reads.
func foldThrough(t testing.TB, f *folder, version int16, answer []byte) []byte {
	t.Helper()
	broker, client := net.Pipe()
	defer broker.Close()
	c := f.wrap(client)
	defer c.Close()
	request := binary.BigEndian.AppendUint32(nil, 8)
	request = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(request, fetchAPIKey), uint16(version))
	request = append(request, 0, 0, 0, 9)
	go func() {
		_, _ = io.CopyN(io.Discard, broker, int64(len(request)))
		_, _ = broker.Write(answer)
	}()
	if _, err := c.Write(request); err != nil {
		t.Fatal(err)
	}
	head := make([]byte, 4)
	if _, err := io.ReadFull(c, head); err != nil {
		t.Fatal(err)
	}
	body := make([]byte, binary.BigEndian.Uint32(head))
	if _, err := io.ReadFull(c, body); err != nil {
		t.Fatal(err)
	}
	return append(head, body...)
}

// standIns reads an answer as sarama does: each batch's offset, count and key.
func standIns(t testing.TB, answer []byte, version int16) []*sarama.ConsumerMessage {
	t.Helper()
	f := newFolder(false, ReadCommitted)
	in := &answerFrame{data: answer[answerHeader:], users: 1}
	if _, ok := f.answer(make([]byte, answerHeader), in, version); !ok {
		t.Fatalf("the answer %x cannot be read", answer)
	}
	var all []*sarama.ConsumerMessage
	for _, b := range f.waiting[foldedAt] {
		u, err := f.unpack(foldedAt, b)
		if err != nil {
			t.Fatal(err)
		}
		p := poll{folder: f}
		if done, err := p.take(&piece{batch: b, open: u}, 10); !done || err != nil || len(p.records) != 1 {
			t.Fatalf("take = %v, %v with %d records, want one record", done, err, len(p.records))
		}
		r := p.records[0]
		all = append(all, &sarama.ConsumerMessage{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Key: r.Key, Value: r.Value})
	}
	return all
}

// TestFolded: what was folded comes out as it went in, in polls of any size, whether its memory is used again or not.
func TestFolded(t *testing.T) {
	for name, compress := range lz4Frames(t) {
		for _, version := range []int16{4, fetchNewest} {
			t.Run(fmt.Sprintf("%s, version %d", name, version), func(t *testing.T) {
				r := rand.New(rand.NewPCG(uint64(len(name)), uint64(version)))
				f := newFolder(true, ReadCommitted)
				first := int64(7)
				for round := range 4 {
					var records []byte
					var want []kafka.Record
					for range 3 {
						some := someRecords(r, first, 1+r.IntN(60))
						attributes := uint16(codecNone)
						if compress != nil {
							attributes = codecLZ4
						}
						records = append(records, wireBatch(t, first, attributes, some, compress)...)
						want = append(want, some...)
						first = some[len(some)-1].Offset + 1
					}
					got := unfoldAll(t, f, foldThrough(t, f, version, answerOf(version, append(records, records[:30]...))), version, 1+r.IntN(40))
					if diff := cmp.Diff(want, got, wholeBytes); diff != "" {
						t.Fatalf("round %d: folded and unfolded, the records differ (-want +got):\n%s", round, diff)
					}
				}
			})
		}
	}
}

// unfoldAll takes the batches back out of an answer, in polls of most records, and copies the records before the poll after next.
func unfoldAll(t testing.TB, f *folder, answer []byte, version int16, most int) (all []kafka.Record) {
	t.Helper()
	var backlog []piece
	for _, m := range standIns(t, answer, version) {
		b, ok := f.unfold(m)
		if !ok {
			t.Fatalf("unfold(%v) finds no batch", m)
		}
		backlog = append(backlog, piece{message: m, batch: b})
	}
	polls := [2]poll{{folder: f}, {folder: f}}
	for n := 0; len(backlog) > 0; n++ {
		p := &polls[n%2]
		p.reset()
		for len(backlog) > 0 && len(p.records) < most {
			done, err := p.take(&backlog[0], most)
			if err != nil {
				t.Fatal(err)
			}
			if done {
				backlog = backlog[1:]
			}
		}
		if len(p.records) > most {
			t.Fatalf("a poll has %d records, want at most %d", len(p.records), most)
		}
		for _, r := range p.records {
			r.Key, r.Value = bytes.Clone(r.Key), bytes.Clone(r.Value)
			headers := r.Headers
			r.Headers = nil
			for _, h := range headers {
				r.Headers = append(r.Headers, kafka.Header{Key: h.Key, Value: bytes.Clone(h.Value)})
			}
			all = append(all, r)
		}
	}
	return all
}

// TestUnfoldedFromTheMiddle: a consumer that starts within a batch gets the records from there on.
func TestUnfoldedFromTheMiddle(t *testing.T) {
	some := someRecords(rand.New(rand.NewPCG(1, 2)), 100, 20)
	f := newFolder(false, ReadCommitted)
	in := &answerFrame{users: 1}
	b := &folded{frame: in, batch: wireBatch(t, 100, 0, some, nil), from: some[5].Offset}
	p := poll{folder: f}
	if done, err := p.take(&piece{message: &sarama.ConsumerMessage{Topic: foldedAt.Topic, Partition: foldedAt.Partition}, batch: b}, 100); !done || err != nil {
		t.Fatalf("take = %v, %v, want all", done, err)
	}
	if diff := cmp.Diff(some[5:], p.records, wholeBytes); diff != "" {
		t.Errorf("the records differ (-want +got):\n%s", diff)
	}
}

// TestLeftBatchesAreForgotten: batches that sarama leaves out are dropped with the next one that it hands over.
func TestLeftBatchesAreForgotten(t *testing.T) {
	f := newFolder(true, ReadCommitted)
	in := f.frameOf(frameUnit)
	f.fold(foldedAt, in, nil)
	key := f.fold(foldedAt, in, nil)
	f.release(in)
	message := &sarama.ConsumerMessage{Topic: foldedAt.Topic, Partition: foldedAt.Partition, Key: key[:]}
	b, ok := f.unfold(message)
	if !ok || len(f.waiting[foldedAt]) != 0 || in.users != 1 {
		t.Errorf("unfold = %v, with %d batches waiting and %d users, want the second one, none, one", ok, len(f.waiting[foldedAt]), in.users)
	}
	f.release(b.frame)
	if len(f.free) != 1 {
		t.Errorf("%d frames can be used again, want the one", len(f.free))
	}
	if _, ok := f.unfold(message); ok {
		t.Error("unfold gives a batch twice")
	}
}

// TestUnpackRefuses: what is no batch is an error that says where, and whether to read again.
func TestUnpackRefuses(t *testing.T) {
	some := someRecords(rand.New(rand.NewPCG(3, 4)), 50, 5)
	whole := wireBatch(t, 50, 0, some, nil)
	damaged := bytes.Clone(whole)
	damaged[len(damaged)-1] ^= 1
	more := bytes.Clone(whole)
	binary.BigEndian.PutUint32(more[batchCount:], 6)
	binary.BigEndian.PutUint32(more[batchCRC:], crc32.Checksum(more[batchAttributes:], batchTable))
	broken := wireBatch(t, 50, codecLZ4, some, func(plain []byte) []byte { return []byte("no frame") })
	for _, c := range []struct {
		name  string
		batch []byte
		again bool
	}{{"damaged", damaged, true}, {"too few records", more, false}, {"no lz4", broken, false}} {
		p := poll{folder: newFolder(false, ReadCommitted)}
		next := piece{message: &sarama.ConsumerMessage{Topic: foldedAt.Topic, Partition: foldedAt.Partition}, batch: &folded{frame: &answerFrame{users: 1}, batch: c.batch}}
		_, err := p.take(&next, 100)
		var bad *BatchError
		if !errors.As(err, &bad) || bad.Offset != 50 || bad.Retriable() != c.again {
			t.Errorf("%s: take = %v, want a BatchError at 50, retriable %v", c.name, err, c.again)
		}
	}
}

// FuzzAnswer: no answer makes the folder panic or read behind it, and what it does not fold passes byte by byte.
func FuzzAnswer(f *testing.F) {
	batch := wireBatch(f, 7, 0, someRecords(rand.New(rand.NewPCG(5, 6)), 7, 1), nil)
	f.Add(answerOf(4, batch)[answerHeader:], false)
	f.Add(answerOf(fetchNewest, batch)[answerHeader:], true)
	mark := wireBatch(f, 8, attributeControl|attributeTransaction, []kafka.Record{{Offset: 8, Key: []byte{0, 0, 0, 0}, Value: []byte{}}}, nil)
	f.Add(answerEnding(4, 9, 9, []abortedFrom{{producer: -1, first: 3}}, append(batch, mark...))[answerHeader:], false)
	f.Fuzz(func(t *testing.T, data []byte, tagged bool) {
		version := int16(fetchOldest)
		if tagged {
			version = fetchNewest
		}
		folder := newFolder(true, ReadCommitted)
		folder.starts(foldedAt, 7)
		out, ok := folder.answer(make([]byte, answerHeader), &answerFrame{data: data, users: 1}, version)
		if ok && folder.number == 0 && !tagged && !bytes.Equal(out[answerHeader:], data) {
			t.Errorf("answer(%x) = %x, want the same: nothing was folded", data, out[answerHeader:])
		}
		if end, ok := folder.end(foldedAt); ok && end < 0 {
			t.Errorf("answer(%x): the records end at %d", data, end)
		}
		for at, waiting := range folder.waiting {
			for _, b := range waiting {
				p := poll{folder: folder}
				_, _ = p.take(&piece{message: &sarama.ConsumerMessage{Topic: at.Topic, Partition: at.Partition}, batch: b}, 1000)
			}
		}
	})
}

// FuzzLZ4: block by block a frame holds what lz4.Reader finds in it.
func FuzzLZ4(f *testing.F) {
	for _, compress := range lz4Frames(f) {
		if compress != nil {
			f.Add(compress(bytes.Repeat([]byte("some text, "), 10_000)))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		b, ok := cutLZ4(data)
		if !ok {
			return
		}
		var got []byte
		for !b.done() && len(got) < 1<<20 {
			dst := make([]byte, len(got)+1+b.most)
			n, err := b.read(dst, copy(dst, got), len(got)+1)
			if err != nil {
				return // lz4.Reader may say so earlier or later
			}
			got = dst[:n]
		}
		if want, err := readLZ4(data); err == nil && b.done() && !bytes.Equal(want, got) {
			t.Errorf("read gives %d bytes, lz4.Reader %d others", len(got), len(want))
		}
	})
}

// TestFreeFramesAreFew: what is kept for the next answers is bounded in bytes, and nothing is kept that no answer fits in, such as the empty beginnings of
// compressed batches: whoever looks for memory would pass all of them.
func TestFreeFramesAreFew(t *testing.T) {
	f := newFolder(true, ReadCommitted)
	for range 1000 {
		f.release(&answerFrame{users: 1})
		f.release(&answerFrame{data: make([]byte, 100), users: 1})
	}
	if n := len(f.free); n != 0 {
		t.Errorf("%d frames of nothing are kept, want 0", n)
	}
	var used []*answerFrame
	for range 2 * maxFreeBytes / frameUnit {
		used = append(used, f.frameOf(frameUnit))
	}
	for _, in := range used {
		f.release(in)
	}
	if n := len(f.free) * frameUnit; n != f.kept || n != maxFreeBytes {
		t.Errorf("%d bytes are kept, counted as %d, want %d", n, f.kept, maxFreeBytes)
	}
	if in := f.frameOf(frameUnit); in != used[len(used)-1] {
		t.Error("frameOf made a frame anew, want the one that came back last")
	}
}
