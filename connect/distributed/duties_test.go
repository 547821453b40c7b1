package distributed

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tandem-cdc/tandem/connect"
	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/kafka/client"
)

// Case 2 of RFC 4231.
func TestSign(t *testing.T) {
	for algorithm, want := range map[string]string{
		"HmacSHA224": "a30e01098bc6dbbf45690f3a7e9e6d0f8bbea2a39e6148008fd05e44",
		"HmacSHA256": "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
		"HmacSHA384": "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649",
		"HmacSHA512": "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
	} {
		if got := hex.EncodeToString(sign([]byte("Jefe"), algorithm, []byte("what do ya want for nothing?"))); got != want {
			t.Errorf("sign with %s = %s, want %s", algorithm, got, want)
		}
	}
	for _, algorithm := range connect.MACAlgorithms {
		if n, want := len(newKey(algorithm, 0)), len(sign(nil, algorithm, nil)); n != want {
			t.Errorf("newKey(%s) has %d bytes, want %d", algorithm, n, want)
		}
	}
	if n := len(newKey("HmacSHA256", 512)); n != 64 {
		t.Errorf("newKey of 512 bits has %d bytes", n)
	}
}

// Requests between workers must be signed with the group's key.
func TestInternalRequests(t *testing.T) {
	b, r := startBrokers(t), newRuns(t)
	w := startWorker(t, r, workerProps(b.addr), "a")
	create(t, "x", 1, w)
	r.awaitTasks(1, 1)
	var key *sessionKey
	if err := w.tell(testContext(t), func() { key = w.state.key }); err != nil || key == nil {
		t.Fatalf("the key is %v, %v", key, err)
	}
	body := []byte("[{},{}]")
	configs := []map[string]string{{"number": "0", "task.class": "T"}, {"number": "1", "task.class": "T"}}
	good := sign(key.key, "HmacSHA256", body)
	for name, c := range map[string]struct {
		auth connect.InternalAuth
		why  connect.Refusal
	}{
		"none":                 {connect.InternalAuth{Body: body}, connect.Invalid},
		"another algorithm":    {connect.InternalAuth{Signature: sign(key.key, "HmacSHA512", body), Algorithm: "HmacSHA512", Body: body}, connect.Invalid},
		"no algorithm":         {connect.InternalAuth{Signature: good, Body: body}, connect.Invalid},
		"of another body":      {connect.InternalAuth{Signature: good, Algorithm: "HmacSHA256", Body: []byte("[]")}, connect.Forbidden},
		"with another's key":   {connect.InternalAuth{Signature: sign([]byte("k"), "HmacSHA256", body), Algorithm: "HmacSHA256", Body: body}, connect.Forbidden},
		"with nothing to sign": {connect.InternalAuth{Signature: []byte{}, Algorithm: "HmacSHA256", Body: body}, connect.Forbidden},
	} {
		for deed, call := range map[string]func() error{
			"PutTaskConfigs": func() error { return w.PutTaskConfigs(testContext(t), "x", configs, c.auth) },
			"Fence":          func() error { return w.Fence(testContext(t), "x", c.auth) },
		} {
			var refusal *connect.RefusedError
			if err := call(); !errors.As(err, &refusal) || refusal.Why != c.why {
				t.Errorf("signature %s: %s = %v, want refusal %d", name, deed, err, c.why)
			}
		}
	}
	auth := connect.InternalAuth{Signature: good, Algorithm: "HmacSHA256", Body: body}
	if err := w.PutTaskConfigs(testContext(t), "y", configs, auth); err == nil || !strings.Contains(err.Error(), "not found") {
		t.Errorf("PutTaskConfigs of a connector that is none = %v", err)
	}
	if err := w.PutTaskConfigs(testContext(t), "x", configs, auth); err != nil {
		t.Fatal(err)
	}
	r.awaitTasks(2, 1)
}

func TestKeyIsRenewed(t *testing.T) {
	b, r := startBrokers(t), newRuns(t)
	props := workerProps(b.addr)
	props["inter.worker.key.ttl.ms"] = "100"
	w := startWorker(t, r, props, "a")
	startWorker(t, r, props, "b")
	if _, err := w.Names(testContext(t)); err != nil { // the topics are there
		t.Fatal(err)
	}
	keys := make(map[string]bool)
	timeout := time.After(limit)
	for tail := b.tail(t); len(keys) < 3; {
		select {
		case rec := <-tail:
			if rec.Key == sessionKeyKey {
				keys[string(rec.Value)] = true
			}
		case <-timeout:
			t.Fatalf("%d keys, want a new one every 100 ms", len(keys))
		}
	}
}

// A leader that cannot read as far as another member has tells all to join again.
func TestLeaderIsBehind(t *testing.T) {
	b, r := startBrokers(t), newRuns(t)
	props := workerProps(b.addr)
	props["worker.sync.timeout.ms"] = "100"
	w := startWorker(t, r, props, "a")
	create(t, "x", 1, w)
	r.awaitTasks(1, 1)
	states := map[string][]byte{
		"me":    appendState(nil, &workerState{version: 2, url: "http://me/", offset: 1}),
		"other": appendState(nil, &workerState{version: 2, url: "http://other/", offset: 1000}),
	}
	out, err := membership{w.Herder}.Lead(testContext(t), client.GroupRound{Protocol: protocolSessioned, MemberID: "me", Members: states})
	if err != nil || len(out) != 2 {
		t.Fatalf("Lead = %q, %v, want an answer for both", out, err)
	}
	for id, bytes := range out {
		a, err := decodeAssignment(bytes)
		if err != nil || a.failure != configMismatch || a.offset != 1000 || a.leader != "me" || a.leaderURL != w.url() || len(a.assigned)+len(a.revoked) > 0 {
			t.Errorf("assignment of %s = %+v, %v, want a mismatch at 1000", id, a, err)
		}
	}
}

// A member whose metadata cannot be read gets nothing, and the others their share.
func TestMemberCannotBeRead(t *testing.T) {
	b, r := startBrokers(t), newRuns(t)
	w := startWorker(t, r, workerProps(b.addr), "a")
	create(t, "x", 2, w)
	r.awaitTasks(2, 1)
	out, err := membership{w.Herder}.Lead(testContext(t), client.GroupRound{Protocol: protocolEager, MemberID: "me", Members: map[string][]byte{
		"me": appendState(nil, &workerState{url: "http://me/"}), "broken": {0}}})
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, bytes := range out {
		a, err := decodeAssignment(bytes)
		if err != nil {
			t.Fatal(err)
		}
		total += len(a.assigned)
	}
	if total != 3 {
		t.Errorf("%d units are assigned, want all 3", total)
	}
}

// What compaction left of a connector's tasks is not run; the connector makes them anew.
func TestTasksAreMadeAnewAfterCompaction(t *testing.T) {
	b, r := startBrokers(t), newRuns(t)
	b.topic(t, "configs", 1, "compact")
	config := fmt.Sprintf(`{"properties":{"connector.class":%q,"name":"x","tasks.max":"3","tasks":"2"}}`, tickClass)
	b.write(t, "configs", kafka.Record{Key: []byte("connector-x"), Value: []byte(config)}, kafka.Record{Key: []byte("task-x-1"), Value: []byte(config)},
		kafka.Record{Key: []byte("commit-x"), Value: []byte(`{"tasks":2}`)})
	w := startWorker(t, r, workerProps(b.addr), "a")
	r.awaitTasks(2, 1)
	awaitStatus(t, w, "x", allIn(connect.Running, 2))
}
