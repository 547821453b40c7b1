//go:build integration

package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-cdc/tandem/internal/jvmserver"
	"github.com/tandem-cdc/tandem/internal/pgserver/pgtest"
	"github.com/tandem-cdc/tandem/testdata/bikestore"
)

// transactionsSeed is the same in every run of CI; other ones find more.
var transactionsSeed = flag.Uint64("transactions-seed", 1795359746139467314, "seed of the moments of the kills of TestIntegrationTransactions")

// TestIntegrationTransactions replicates the bike store with consistency=transaction into a database whose foreign keys are in place, while
// the worker is killed with signal 9 and started again. Whoever looks at the target sees at every moment what the source was behind one of its
// transactions: as many audit rows as the counters say, and no order without its items.
func TestIntegrationTransactions(t *testing.T) {
	seed := *transactionsSeed
	t.Logf("seed %d: replay with -transactions-seed %d", seed, seed)
	k := newTransactionTest(t, rand.New(rand.NewPCG(seed, 1)))
	k.start()
	k.waitReceived() // so the end of the snapshot is stored: transactions are not published before
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	done := make(chan error, 3) // senders: shop, audit and observer, one each
	go func() { done <- k.shop.run(ctx, 200, 0) }()
	go func() { done <- k.audit(ctx) }()
	looking, look := context.WithCancel(t.Context())
	defer look()
	go func() { done <- k.observe(looking) }()
	for n := range min(*kills, 5) {
		timer := time.NewTimer(time.Duration(k.rand.IntN(2500)) * time.Millisecond) // a random moment is what is tested
		<-timer.C
		k.waitReceived()
		k.worker.kill()
		k.Logf("kill %d", n+1)
		k.start()
	}
	stop()
	report := k.waitEqual(k.source, k.target)
	look()
	for range 3 {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	k.Logf("after the kills, seen %d times:\n%s", k.seen, report)
}

type transactionTest struct {
	*killTest
	seen int // how often the target was looked at
}

func newTransactionTest(t *testing.T, r *rand.Rand) *transactionTest {
	broker, err := jvmserver.StartKafka(t.Context(), jvmserver.KafkaOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { check(t, broker.Close()) })
	k := &killTest{rand: r, source: pgtest.Database(t), target: pgtest.Database(t), prefix: fmt.Sprintf("tx%d", r.Uint32()), broker: broker}
	k.worker = newWorker(t)
	k.admin = k.dial(k.source)
	k.exec(k.source, bikestore.Schema, bikestore.Data, auditSchema)
	k.exec(k.target, bikestore.Schema, auditSchema, "TRUNCATE store.counters")
	if k.shop, err = openShop(t.Context(), k.source); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.shop.close(context.Background()) })
	k.configure(broker.Addr(), requiredEnv(t, "TANDEM_REGISTRY"))
	source := sourceProperties(t, k.prefix, k.source)
	source["provide.transaction.metadata"] = "true"
	source["topic.creation.groups"] = "metadata"
	source["topic.creation.metadata.include"] = `.*\.transaction`
	source["topic.creation.metadata.partitions"] = "1"
	source["topic.creation.metadata.replication.factor"] = "1"
	sink := sinkProperties(t, k.prefix, k.target)
	sink["topics.regex"] = k.prefix + `\.(store\..*|transaction)`
	sink["consistency"] = "transaction"
	sink["schema.evolution"] = "none"
	k.write("source.properties", source)
	k.write("sink.properties", sink)
	return &transactionTest{killTest: k}
}

// observe looks at the target until ctx ends. Each look is one statement, and so one moment.
func (k *transactionTest) observe(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, k.target)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	const look = `SELECT (SELECT count(*) FROM store.audit), (SELECT coalesce(sum(n), 0) FROM store.counters),
		(SELECT count(*) FROM store.orders o WHERE NOT EXISTS (SELECT FROM store.order_items i WHERE i.order_id = o.order_id)), EXISTS (SELECT FROM store.order_items)`
	bare := int64(-1) // orders without items, which the tutorial's data has some of
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for ctx.Err() == nil {
		<-tick.C
		var audited, counted, empty int64
		var filled bool // the snapshot of the last table has come; transactions of other tables may be there before
		if err := conn.QueryRow(context.WithoutCancel(ctx), look).Scan(&audited, &counted, &empty, &filled); err != nil {
			return err
		}
		if audited != counted {
			return fmt.Errorf("the target holds %d audit rows, and its counters say %d: half a transaction is visible", audited, counted)
		}
		if filled && bare < 0 {
			bare = empty
		}
		if filled && empty > bare {
			return fmt.Errorf("the target holds %d orders without items, the source %d", empty, bare)
		}
		k.seen++
	}
	return nil
}
