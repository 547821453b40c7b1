package embedded

import (
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// fencing refuses the next epoch of a transactional id to a producer that lost the id to another one, as Kafka's coordinator does
// (TransactionMetadata.prepareIncrementProducerEpoch). kfake gives it to any producer that ever had the id.
type fencing struct {
	mu    sync.Mutex
	inits map[string]int16 // so many epochs, at least, were given out
	floor map[string]int16 // no producer that has the id rightly has a lower epoch
}

// Milliseconds that a transaction may be open: of one who takes an id only to fence others, as Kafka's admin clients do, and by default.
const (
	fencingTimeout = 1
	defaultTimeout = 60_000
)

func fence(c *kfake.Cluster) {
	f := &fencing{inits: make(map[string]int16), floor: make(map[string]int16)}
	c.ControlKey(int16(kmsg.InitProducerID), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		r := req.(*kmsg.InitProducerIDRequest)
		if f.admits(r) {
			return nil, nil, false
		}
		res := req.ResponseKind().(*kmsg.InitProducerIDResponse)
		res.ErrorCode = kerr.ProducerFenced.Code
		return res, nil, true
	})
}

func (f *fencing) admits(r *kmsg.InitProducerIDRequest) bool {
	if r.TransactionalID == nil {
		return true
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	id := *r.TransactionalID
	if f.inits[id] == 0 && r.TransactionTimeoutMillis == fencingTimeout { // kfake lets an id's first producer decide for all later ones
		r.TransactionTimeoutMillis = defaultTimeout
	}
	if r.ProducerID >= 0 && r.ProducerEpoch < f.floor[id] {
		return false
	}
	if r.ProducerID < 0 { // epochs begin at 0
		f.floor[id] = f.inits[id]
	}
	f.inits[id]++
	return true
}
