package incremental

import "unicode/utf16"

// MapOrder is the order in which Debezium's schema lists tables that were read in the order of names: by the buckets of a HashMap, copied into
// a ConcurrentHashMap and that into another. Where a signal's expression matches several tables, they are read in this order.
func MapOrder(names []string) []string {
	return concurrentOrder(concurrentOrder(hashOrder(names)))
}

type hashed struct {
	name string
	hash uint32
}

// spread is String.hashCode over UTF-16, with its upper half mixed in as both maps do.
func spread(name string) uint32 {
	var h uint32
	for _, unit := range utf16.Encode([]rune(name)) {
		h = 31*h + uint32(unit)
	}
	return h ^ h>>16
}

func flatten(buckets [][]hashed) []string {
	var names []string
	for _, b := range buckets {
		for _, e := range b {
			names = append(names, e.name)
		}
	}
	return names
}

// hashOrder is java.util.HashMap: 16 buckets, twice as many beyond three quarters, order kept within a bucket.
func hashOrder(names []string) []string {
	size := uint32(16)
	for uint32(len(names)) > size/4*3 {
		size *= 2
	}
	buckets := make([][]hashed, size)
	for _, name := range names {
		e := hashed{name, spread(name)}
		buckets[e.hash&(size-1)] = append(buckets[e.hash&(size-1)], e)
	}
	return flatten(buckets)
}

// concurrentOrder is java.util.concurrent.ConcurrentHashMap: it grows as soon as three quarters are reached, and growing turns a bucket around
// but for its tail of one destination.
func concurrentOrder(names []string) []string {
	buckets := make([][]hashed, 16)
	for n, name := range names {
		e := hashed{name, spread(name)}
		at := e.hash & uint32(len(buckets)-1)
		buckets[at] = append(buckets[at], e)
		for n+1 >= len(buckets)-len(buckets)/4 {
			buckets = grow(buckets)
		}
	}
	return flatten(buckets)
}

func grow(buckets [][]hashed) [][]hashed {
	size := uint32(len(buckets))
	grown := make([][]hashed, 2*size)
	for i, b := range buckets {
		if len(b) == 0 {
			continue
		}
		tail := len(b) - 1
		for tail > 0 && b[tail-1].hash&size == b[len(b)-1].hash&size {
			tail--
		}
		var to [2][]hashed
		side := func(e hashed) int {
			if e.hash&size != 0 {
				return 1
			}
			return 0
		}
		to[side(b[tail])] = b[tail:]
		for _, e := range b[:tail] {
			to[side(e)] = append([]hashed{e}, to[side(e)]...)
		}
		grown[i], grown[i+int(size)] = to[0], to[1]
	}
	return grown
}
