package client

import (
	"encoding/hex"
	"testing"
)

// The numbers come from org.apache.kafka.common.utils.Utils.murmur2 and BuiltInPartitioner.partitionForKey of kafka-clients 4.3.1.
func TestPartitionOf(t *testing.T) {
	for _, c := range []struct {
		key             string
		hash            uint32
		of1, of7, of100 int32
	}{
		{"", 0x106e08d9, 0, 2, 81},
		{"61", 0xa2d0b27c, 0, 5, 24},
		{"6162", 0x12d8262a, 0, 0, 34},
		{"616263", 0x1c94221b, 0, 4, 7},
		{"61626364", 0xb11ab5f4, 0, 5, 0},
		{"3231", 0xc5f2f8ec, 0, 3, 40},
		{"666f6f626172", 0xd0e47bbe, 0, 0, 66},
		{"612d6c6974746c652d6269742d6c6f6e672d737472696e67", 0xc53b1da0, 0, 1, 12},
		{"612d6c6974746c652d6269742d6c6f6e6765722d737472696e67", 0xa768c9c3, 0, 0, 19},
		{"6c6b6a683233346c68396669756839307932336f697568736166756a6861646f66323239706872396831396838396838", 0xfc7d49cd, 0, 3, 77},
		{"4772c3b6c39f6520e5b0bae5afb8", 0xfe186962, 0, 6, 58},
		{"00", 0x166197bc, 0, 0, 88},
		{"000000000102", 0x8db7456e, 0, 2, 70},
		{"fffefd", 0x3b85fe24, 0, 5, 92},
		{"80000000ff0102", 0x81ecfb4f, 0, 2, 47},
		{"7b226964223a313030317d", 0x62172b96, 0, 4, 54},
	} {
		key, err := hex.DecodeString(c.key)
		if err != nil {
			t.Fatal(err)
		}
		if got := murmur2(key); got != c.hash {
			t.Errorf("murmur2(%s) = %#x, want %#x", c.key, got, c.hash)
		}
		for n, want := range map[int]int32{1: c.of1, 7: c.of7, 100: c.of100} {
			if got := partitionOf(key, n); got != want {
				t.Errorf("partitionOf(%s, %d) = %d, want %d", c.key, n, got, want)
			}
		}
	}
}

func TestAddSequence(t *testing.T) { // as DefaultRecordBatch.incrementSequence
	const most = 1<<31 - 1
	for _, c := range []struct {
		from int32
		n    int
		want int32
	}{{0, 1, 1}, {most - 1, 1, most}, {most, 1, 0}, {most - 2, 5, 2}} {
		if got := addSequence(c.from, c.n); got != c.want {
			t.Errorf("addSequence(%d, %d) = %d, want %d", c.from, c.n, got, c.want)
		}
	}
}
