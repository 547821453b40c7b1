package main

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/tandem-cdc/tandem/internal/embedded"
	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/kafka/client"
	"github.com/tandem-cdc/tandem/schema"
	"github.com/tandem-cdc/tandem/schema/converter"
)

// produce sends records and waits for their acknowledgement.
func produce(t *testing.T, broker string, records ...*kafka.Record) {
	t.Helper()
	c, report := client.FromProperties(map[string]string{"bootstrap.servers": broker}, client.ForProducer)
	if err := report.Err(); err != nil {
		t.Fatal(err)
	}
	p := client.NewProducer(c)
	ctx, stop := context.WithCancel(t.Context())
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return p.Run(ctx) })
	g.Go(func() error {
		defer stop()
		for _, r := range records {
			if err := p.Send(ctx, r); err != nil {
				return err
			}
		}
		p.Flush()
		return p.WaitAcked(ctx, uint64(len(records)))
	})
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
}

func TestConsume(t *testing.T) {
	broker, err := embedded.StartBroker(embedded.Options{Topics: []string{"shop"}})
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	registry, err := embedded.StartRegistry("")
	if err != nil {
		t.Fatal(err)
	}
	defer registry.Close()

	price := decimalSchema("2")
	row := &schema.Schema{Type: schema.Struct, Name: "shop.Value", Fields: []schema.Field{{Name: "id", Schema: &schema.Schema{Type: schema.Int32}}, {Name: "price", Schema: price}}}
	avro, report := converter.New(converter.AvroClass, map[string]string{"schema.registry.url": registry.URL()}, false, converter.Env{})
	if err := report.Err(); err != nil {
		t.Fatal(err)
	}
	ser, err := avro.NewSerializer(t.Context(), "shop", row)
	if err != nil {
		t.Fatal(err)
	}
	schema.OfStruct(&schema.StructValue{Schema: row, Values: []schema.Value{schema.OfInt32(7), schema.OfBytes([]byte{0x94, 0x6f})}}).WriteTo(ser.Begin(nil))
	framedValue, err := ser.End()
	if err != nil {
		t.Fatal(err)
	}
	produce(t, broker.Addr(),
		&kafka.Record{Topic: "shop", Key: []byte(`{"schema":{"type":"int32"},"payload":7}`), Value: framedValue,
			Headers: []kafka.Header{{Key: "op", Value: []byte("c")}, {Key: "none"}}},
		&kafka.Record{Topic: "shop", Key: []byte("seven"), Value: nil})

	base := []string{"consume", "--topic", "shop", "--from-beginning", "--bootstrap-server", broker.Addr(), "--schema-registry-url", registry.URL()}
	for _, test := range []struct{ flags, want string }{
		{"--until-end", `{"key":7,"value":{"id":7,"price":-275.37}}` + "\n" + `{"key":"seven","value":null}` + "\n"},
		{"--max-messages 1", `{"key":7,"value":{"id":7,"price":-275.37}}` + "\n"},
		{"--max-messages 1 --headers", `{"key":7,"value":{"id":7,"price":-275.37},"headers":{"op":"c","none":null}}` + "\n"},
	} {
		code, out, errors := tandem(t, t.Context(), append(base, strings.Fields(test.flags)...)...)
		if diff := cmp.Diff(test.want, out); code != 0 || diff != "" {
			t.Errorf("tandem consume %s = exit code %d, %s (-want +got)\n%s", test.flags, code, errors, diff)
		}
	}
	code, out, _ := tandem(t, t.Context(), append(base, "--positions", "--max-messages", "1")...)
	if code != 0 || !strings.HasPrefix(out, `{"partition":0,"offset":0,"timestamp":"20`) {
		t.Errorf("tandem consume --positions = exit code %d, %s", code, out)
	}
	// Without the registry that has the schema, the record is named.
	base[len(base)-1] = "http://127.0.0.1:1"
	code, _, errors := tandem(t, t.Context(), append(base, "--max-messages", "1")...)
	if code != 1 || !strings.Contains(errors, "offset 0 of shop") || !strings.Contains(errors, "--schema-registry-url") {
		t.Errorf("tandem consume without the registry = exit code %d, %s", code, errors)
	}
	// Without more records it waits until it is interrupted, which is no failure.
	ctx, stop := context.WithCancel(t.Context())
	o := &tapped{line: func(line string) {
		if strings.Contains(line, "seven") {
			stop()
		}
	}}
	base[len(base)-1] = registry.URL()
	if code := run(ctx, &console{out: o, err: o}, base); code != 0 {
		t.Errorf("tandem consume, interrupted = exit code %d: %s", code, o)
	}
	stop()
	code, _, errors = tandem(t, t.Context(), "consume", "--topic", "nothing.here", "--from-beginning", "--until-end", "--bootstrap-server", broker.Addr())
	if code != 1 || !strings.Contains(errors, "nothing.here") {
		t.Errorf("tandem consume of a missing topic = exit code %d, %s", code, errors)
	}
}
