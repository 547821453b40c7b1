package converter

import "sync"

// cache keeps at most size entries; the oldest goes first. Safe for concurrent use.
type cache[K comparable, V any] struct {
	mu      sync.RWMutex
	size    int
	entries map[K]V
	order   []K // oldest first
}

func newCache[K comparable, V any](size int) *cache[K, V] {
	return &cache[K, V]{size: size, entries: make(map[K]V)}
}

func (c *cache[K, V]) get(k K) (V, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	v, ok := c.entries[k]
	return v, ok
}

// put keeps v unless the key is there already, and returns the one that is kept: everybody sees the same.
func (c *cache[K, V]) put(k K, v V) V {
	c.mu.Lock()
	defer c.mu.Unlock()
	if old, ok := c.entries[k]; ok {
		return old
	}
	if c.size <= 0 {
		return v
	}
	if len(c.order) >= c.size {
		delete(c.entries, c.order[0])
		c.order = c.order[1:]
	}
	c.entries[k] = v
	c.order = append(c.order, k)
	return v
}
