// Command generator makes up how many seats of a flight are free in each of its booking classes, and publishes that as JSON events with schemas.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tandem-cdc/tandem/internal/pause"
	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/kafka/client"
)

var flights = []string{"(TY) TANDEM AIR 101", "(TY) TANDEM AIR 404", "(NW) NORTHWIND 12", "(NW) NORTHWIND 980", "(BL) BLUE LAGOON 7", "(CO) CONDUIT 2218"}

// classes are the booking classes: letters of the fare codes of IATA.
const classes = "FAPRIDZCJWSYBHKLMNQTVGXEU"

const mostSeats = 42

// event is a record's value, in the form of Connect's JsonConverter.
type event struct {
	Schema  eventSchema `json:"schema"`
	Payload inventory   `json:"payload"`
}

type eventSchema struct {
	Type     string  `json:"type"`
	Fields   []field `json:"fields"`
	Optional bool    `json:"optional"`
	Name     string  `json:"name"`
}

type field struct {
	Type     string `json:"type"`
	Optional bool   `json:"optional"`
	Field    string `json:"field"`
}

type inventory struct {
	Time      int64  `json:"time"`      // ms since 1970
	Flight    string `json:"flight"`    //
	Departure int64  `json:"departure"` // ms since 1970
	Class     string `json:"flight_booking_class"`
	IdleSeats int32  `json:"idle_seats_count"`
}

var inventorySchema = eventSchema{Type: "struct", Name: "Inventory", Fields: []field{
	{"int64", false, "time"}, {"string", false, "flight"}, {"int64", false, "departure"}, {"string", false, "flight_booking_class"}, {"int32", false, "idle_seats_count"},
}}

// settings are the flags.
type settings struct {
	bootstrap, topic string
	least, most      time.Duration
	events           int
	seed             uint64
}

func main() {
	var s settings
	flag.StringVar(&s.bootstrap, "bootstrap-server", "localhost:9092", "brokers")
	flag.StringVar(&s.topic, "topic", "Inventory", "topic; made if it does not exist")
	flag.DurationVar(&s.least, "least", time.Second, "shortest time between two events")
	flag.DurationVar(&s.most, "most", 7*time.Second, "longest time between two events")
	flag.IntVar(&s.events, "events", 0, "end after so many events; 0: never")
	flag.Uint64Var(&s.seed, "seed", uint64(time.Now().UnixNano()), "the same seed makes the same events")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := s.run(ctx)
	interrupted := ctx.Err() != nil
	stop()
	if err != nil && !interrupted {
		fmt.Fprintln(os.Stderr, "generator:", err)
		os.Exit(1)
	}
}

func (s settings) run(parent context.Context) error {
	if s.least < 0 || s.most < s.least {
		return fmt.Errorf("-least %s -most %s: want 0 or more, and -least the shorter one", s.least, s.most)
	}
	props := map[string]string{"bootstrap.servers": s.bootstrap, "client.id": "airline"}
	if err := ensureTopic(parent, props, s.topic); err != nil {
		return err
	}
	config, report := client.FromProperties(props, client.ForProducer)
	if err := report.Err(); err != nil {
		return err
	}
	p := client.NewProducer(config)
	ctx, stop := context.WithCancel(parent)
	defer stop()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return p.Run(ctx) })
	g.Go(func() error {
		defer stop()
		return s.publish(ctx, p)
	})
	return g.Wait()
}

func ensureTopic(ctx context.Context, props map[string]string, topic string) error {
	config, report := client.FromProperties(props, client.ForAdmin)
	if err := report.Err(); err != nil {
		return err
	}
	admin := client.NewAdmin(config)
	defer admin.Close()
	_, err := admin.CreateTopic(ctx, client.NewTopic{Name: topic, Partitions: -1, Replicas: -1})
	return err
}

func (s settings) publish(ctx context.Context, p *client.Producer) error {
	random := rand.New(rand.NewPCG(s.seed, 0))
	begin := time.Now().Truncate(time.Hour)
	for n := 0; s.events == 0 || n < s.events; n++ {
		if n > 0 && !pause.For(ctx, s.least+time.Duration(random.Int64N(int64(s.most-s.least)+1))) {
			return nil
		}
		at := random.IntN(len(flights))
		value, err := json.Marshal(event{inventorySchema, inventory{
			Time: time.Now().UnixMilli(), Flight: flights[at], Departure: begin.Add(time.Duration(at+1) * 24 * time.Hour).UnixMilli(),
			Class: string(classes[random.IntN(len(classes))]), IdleSeats: random.Int32N(mostSeats),
		}})
		if err != nil {
			return err
		}
		if err := p.Send(ctx, &kafka.Record{Topic: s.topic, Partition: kafka.AnyPartition, Value: value}); err != nil {
			return err
		}
	}
	p.Flush()
	return p.WaitAcked(ctx, uint64(s.events))
}
