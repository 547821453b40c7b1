package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
)

// shop does what a bike shop does all day: it takes orders, ships and cancels them, moves customers, changes prices. Every step is one
// transaction. Not safe for concurrent use, but for the counters.
type shop struct {
	conn *pgx.Conn
	rand *rand.Rand
	// Of the loaded data, which has ids from 1 on without gaps.
	customers, products, stores int
	staff                       []int
	pending                     []int // orders that were placed and neither shipped nor cancelled

	placed, shipped, cancelled, others atomic.Int64
	// commits tells of the latest order: sender shop, bound 1; when nobody has taken the one before, it is dropped.
	commits chan commit
}

// commit is an order at the moment it is committed.
type commit struct {
	order int
	at    time.Time
}

func openShop(ctx context.Context, url string) (*shop, error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return nil, fmt.Errorf("open the bike shop: %w", err)
	}
	s := &shop{conn: conn, rand: rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1)), commits: make(chan commit, 1)}
	const look = `SELECT (SELECT max(customer_id) FROM store.customers), (SELECT max(product_id) FROM store.products),
		(SELECT max(store_id) FROM store.stores), (SELECT array_agg(staff_id) FROM store.staffs WHERE active)`
	if err := conn.QueryRow(ctx, look).Scan(&s.customers, &s.products, &s.stores, &s.staff); err != nil {
		_ = conn.Close(ctx)
		return nil, fmt.Errorf("open the bike shop: %w", err)
	}
	return s, nil
}

func (s *shop) close(ctx context.Context) { _ = s.conn.Close(ctx) }

// run takes steps at a rate until ctx ends or there were limit of them; 0: no limit.
func (s *shop) run(ctx context.Context, perSecond, limit int) error {
	tick := time.NewTicker(time.Second / time.Duration(perSecond))
	defer tick.Stop()
	for n := 0; limit == 0 || n < limit; n++ {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		// A step that has begun is ended: a transaction cut off by Ctrl-C would leave its fate open.
		if err := s.step(context.WithoutCancel(ctx)); err != nil {
			return fmt.Errorf("run the bike shop: %w", err)
		}
	}
	return nil
}

// step is one transaction. Brands, categories, stores and staff stay as they are.
func (s *shop) step(ctx context.Context) error {
	what, count := s.place, &s.placed
	switch p := s.rand.IntN(100); {
	case p < 50 || len(s.pending) == 0:
	case p < 72:
		what, count = s.ship, &s.shipped
	case p < 84:
		what, count = s.cancel, &s.cancelled
	case p < 94:
		what, count = s.moveCustomer, &s.others
	default:
		what, count = s.changePrice, &s.others
	}
	tx, err := s.conn.Begin(ctx)
	if err != nil {
		return err
	}
	order, err := what(ctx, tx)
	if err != nil {
		_ = tx.Rollback(ctx)
		return err
	}
	if err := tx.Commit(ctx); err != nil {
		return err
	}
	count.Add(1)
	if order != 0 {
		s.pending = append(s.pending, order)
		select {
		case s.commits <- commit{order, time.Now()}:
		default:
		}
	}
	return nil
}

// place takes an order of one to five products, at times from a new customer, and takes them from the stock.
func (s *shop) place(ctx context.Context, tx pgx.Tx) (order int, err error) {
	customer := 1 + s.rand.IntN(s.customers)
	if s.rand.IntN(5) == 0 {
		const register = `INSERT INTO store.customers (first_name, last_name, email, city, state, zip_code, newsletter)
			VALUES ($1, $2, $3, $4, 'CA', '95060', true) RETURNING customer_id`
		first, last := s.one("Noor", "Zoë", "Amadou", "Siobhán", "Lê", "Ivy"), s.one("O'Hara", "Lindström", "Şahin", "Park", "de la Cruz")
		if err := tx.QueryRow(ctx, register, first, last, fmt.Sprintf("new%d@mail.example", s.rand.Uint32()), s.one("Aptos", "Soquel", "Felton")).Scan(&customer); err != nil {
			return 0, err
		}
	}
	const place = `INSERT INTO store.orders (order_ref, customer_id, order_status, order_date, required_date, store_id, staff_id, note)
		VALUES (md5($1)::uuid, $2, 1, current_date, current_date + 3, $3, $4, $5) RETURNING order_id`
	store := 1 + s.rand.IntN(s.stores)
	var note *string
	if s.rand.IntN(8) == 0 {
		text := s.one("Ring twice, please", "Cadeau – sans facture", `"B" side door; don't knock`, "🚲 for Zoë")
		note = &text
	}
	ref := fmt.Sprint(s.rand.Uint64(), s.rand.Uint64())
	if err := tx.QueryRow(ctx, place, ref, customer, store, s.staff[s.rand.IntN(len(s.staff))], note).Scan(&order); err != nil {
		return 0, err
	}
	first := s.rand.IntN(s.products)
	for item := range 1 + s.rand.IntN(5) {
		product, quantity := 1+(first+item*17)%s.products, 1+s.rand.IntN(2)
		const add = `INSERT INTO store.order_items SELECT $1, $2, product_id, $3, list_price, $4::int / 100.0 FROM store.products WHERE product_id = $5`
		if _, err := tx.Exec(ctx, add, order, item+1, quantity, s.rand.IntN(4)*5, product); err != nil {
			return 0, err
		}
		const take = `UPDATE store.stocks SET quantity = greatest(0, quantity - $3) WHERE store_id = $1 AND product_id = $2`
		if _, err := tx.Exec(ctx, take, store, product, quantity); err != nil {
			return 0, err
		}
	}
	return order, nil
}

// takePending takes an order out of the pending ones.
func (s *shop) takePending() int {
	i, last := s.rand.IntN(len(s.pending)), len(s.pending)-1
	order := s.pending[i]
	s.pending[i] = s.pending[last]
	s.pending = s.pending[:last]
	return order
}

func (s *shop) ship(ctx context.Context, tx pgx.Tx) (int, error) {
	_, err := tx.Exec(ctx, "UPDATE store.orders SET order_status = 4, shipped_date = current_date WHERE order_id = $1", s.takePending())
	return 0, err
}

// cancel deletes an order, and with it its items.
func (s *shop) cancel(ctx context.Context, tx pgx.Tx) (int, error) {
	_, err := tx.Exec(ctx, "DELETE FROM store.orders WHERE order_id = $1", s.takePending())
	return 0, err
}

func (s *shop) moveCustomer(ctx context.Context, tx pgx.Tx) (int, error) {
	_, err := tx.Exec(ctx, "UPDATE store.customers SET street = $2, city = $3, phone = NULL WHERE customer_id = $1",
		1+s.rand.IntN(s.customers), fmt.Sprintf("%d %s", 1+s.rand.IntN(900), s.one("Hill Crossing", "Rue de l'Église", `"Old Mill" Lane`)), s.one("Aptos", "San José", "Houston"))
	return 0, err
}

// changePrice leaves the description alone, which is long and therefore does not come with the change.
func (s *shop) changePrice(ctx context.Context, tx pgx.Tx) (int, error) {
	_, err := tx.Exec(ctx, "UPDATE store.products SET list_price = list_price + 0.01, updated_at = now() WHERE product_id = $1", 1+s.rand.IntN(s.products))
	return 0, err
}

func (s *shop) one(choices ...string) string { return choices[s.rand.IntN(len(choices))] }
