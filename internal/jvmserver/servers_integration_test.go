//go:build integration

package jvmserver

import (
	"context"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// TestIntegrationKafka needs mvn (or a filled TANDEM_JVM_CACHE) and Java 21.
func TestIntegrationKafka(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	began := time.Now()
	k, err := StartKafka(ctx, KafkaOptions{Config: map[string]string{"num.partitions": "1"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("started in %v", time.Since(began))
	defer k.Close()
	addr := k.Addr()
	c, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.DefaultProduceTopic("t"), kgo.AllowAutoTopicCreation(), kgo.ConsumeTopics("t"),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, how := range []struct {
		name string
		f    func() error
	}{{"stopped", k.Stop}, {"killed", k.Kill}} {
		if err := c.ProduceSync(ctx, kgo.StringRecord(how.name)).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if err := how.f(); err != nil {
			t.Fatal(err)
		}
		if err := k.probe(ctx); err == nil {
			t.Errorf("the broker answers although it is %s", how.name)
		}
		began := time.Now()
		if err := k.Start(ctx); err != nil {
			t.Fatal(err)
		}
		t.Logf("started again after being %s in %v", how.name, time.Since(began))
		if k.Addr() != addr {
			t.Errorf("Addr() = %s after a restart, want %s", k.Addr(), addr)
		}
	}
	var got []string
	for len(got) < 2 {
		fetches := c.PollFetches(ctx)
		if ctx.Err() != nil {
			t.Fatal(ctx.Err())
		}
		fetches.EachRecord(func(r *kgo.Record) { got = append(got, string(r.Value)) })
	}
	if strings.Join(got, " ") != "stopped killed" {
		t.Errorf("consumed %q, want stopped killed", got)
	}
	dir := k.dir
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Errorf("%s is there after Close", dir)
	}
}

func TestIntegrationKafkaThatDoesNotStart(t *testing.T) {
	_, err := StartKafka(t.Context(), KafkaOptions{Config: map[string]string{"node.id": "no number"}})
	if err == nil || !strings.Contains(err.Error(), "Invalid value no number") {
		t.Errorf("StartKafka with a bad configuration = %v, want the end of the log in it", err)
	}
}

func TestIntegrationRegistry(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	began := time.Now()
	r, err := StartRegistry(ctx, RegistryOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("started in %v", time.Since(began))
	defer r.Close()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	record := func(fields string) string {
		return `{"schema":"{\"type\":\"record\",\"name\":\"r\",\"fields\":[` + strings.ReplaceAll(fields, `"`, `\"`) + `]}"}`
	}
	url := r.URL() + "/subjects/s-value/versions"
	if err := call(ctx, client, "POST", url, record(`{"name":"a","type":"int"}`)); err != nil {
		t.Fatal(err)
	}
	if err := r.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := call(ctx, client, "GET", url, ""); err == nil {
		t.Error("the registry answers although it is stopped")
	}
	began = time.Now()
	if err := r.Start(ctx); err != nil {
		t.Fatal(err)
	}
	t.Logf("started again in %v", time.Since(began))
	if err := call(ctx, client, "POST", url, record(`{"name":"b","type":"int"}`)); err == nil || !strings.Contains(err.Error(), "409") {
		t.Errorf("an incompatible schema: %v, want 409", err)
	}
}
