// Command api serves what stands in the table of free seats as JSON, by HTTP, to be read only.
//
//	GET /api/v1/inventories?page=1&per_page=20
//	GET /api/v1/inventories/search?flight=…&departure=…&flight_booking_class=…
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

func main() {
	database := flag.String("database", "postgres://postgres:postgres@localhost:5432/airline", "URL of the database")
	table := flag.String("table", "Inventory", "name of the table")
	listen := flag.String("listen", "localhost:8080", "address to serve on")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *database, *table, *listen)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "api:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, database, table, listen string) error {
	config, err := pgxpool.ParseConfig(database)
	if err != nil {
		return err
	}
	config.ConnConfig.RuntimeParams["default_transaction_read_only"] = "on"
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return err
	}
	defer pool.Close()
	s := &http.Server{Addr: listen, Handler: newHandler(pool, table), ReadHeaderTimeout: time.Minute}
	context.AfterFunc(ctx, func() { _ = s.Close() })
	if err := s.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// inventory is a row.
type inventory struct {
	Time      int64  `json:"time"`
	Flight    string `json:"flight"`
	Departure int64  `json:"departure"`
	Class     string `json:"flight_booking_class"`
	IdleSeats int32  `json:"idle_seats_count"`
}

// querier is what is needed of the database.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

type api struct {
	db    querier
	query string
}

func newHandler(db querier, table string) http.Handler {
	a := &api{db, "SELECT time, flight, departure, flight_booking_class, idle_seats_count FROM " + pgx.Identifier{table}.Sanitize()}
	mux := http.NewServeMux()
	for path, f := range map[string]http.HandlerFunc{"/api/v1/inventories": a.page, "/api/v1/inventories/search": a.search} {
		mux.HandleFunc("GET "+path, f)
		mux.HandleFunc("GET "+path+"/{$}", f)
	}
	return mux
}

const (
	usualPage = 20
	mostPage  = 100
)

func (a *api) page(w http.ResponseWriter, r *http.Request) {
	page, err1 := number(r, "page", 1, 1<<31)
	size, err2 := number(r, "per_page", usualPage, mostPage)
	if err := errors.Join(err1, err2); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	a.answer(w, r, " ORDER BY flight, flight_booking_class LIMIT $1 OFFSET $2", size, (page-1)*size)
}

func number(r *http.Request, name string, missing, most int64) (int64, error) {
	text := r.FormValue(name)
	if text == "" {
		return missing, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 || n > most {
		return 0, fmt.Errorf("%s=%s: want a number from 1 to %d", name, text, most)
	}
	return n, nil
}

func (a *api) search(w http.ResponseWriter, r *http.Request) {
	var departure *int64
	if text := r.FormValue("departure"); text != "" {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			http.Error(w, fmt.Sprintf("departure=%s: want milliseconds since 1970", text), http.StatusBadRequest)
			return
		}
		departure = &n
	}
	a.answer(w, r, ` WHERE ($1 = '' OR flight = $1) AND ($2::bigint IS NULL OR departure = $2) AND ($3 = '' OR flight_booking_class = $3)
		ORDER BY flight, flight_booking_class`, r.FormValue("flight"), departure, r.FormValue("flight_booking_class"))
}

// answer writes the rows of a query.
func (a *api) answer(w http.ResponseWriter, r *http.Request, clauses string, args ...any) {
	rows, err := a.db.Query(r.Context(), a.query+clauses, args...)
	var found []inventory
	if err == nil {
		found, err = pgx.CollectRows(rows, pgx.RowToStructByPos[inventory])
	}
	if err != nil {
		log.Print("api: ", err)
		http.Error(w, "the database does not answer", http.StatusServiceUnavailable)
		return
	}
	if found == nil {
		found = []inventory{}
	}
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(found); err != nil {
		log.Print("api: ", err)
	}
}
