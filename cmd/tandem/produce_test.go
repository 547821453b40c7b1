package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/internal/embedded"
)

// consoles runs the two consoles against a broker and a registry.
type consoles struct {
	*testing.T
	broker, registry string
}

func newConsoles(t *testing.T) *consoles {
	t.Helper()
	broker, err := embedded.StartBroker(embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	registry, err := embedded.StartRegistry("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(registry.Close)
	return &consoles{t, broker.Addr(), registry.URL()}
}

// produce gives lines to tandem produce.
func (c *consoles) produce(lines string, args ...string) (code int, errors string) {
	c.Helper()
	var out, e bytes.Buffer
	code = run(c.Context(), &console{in: strings.NewReader(lines), out: &out, err: &e}, append([]string{"produce", "--broker-list", c.broker}, args...))
	if out.Len() > 0 {
		c.Errorf("tandem produce prints %s", &out)
	}
	return code, e.String()
}

// consumed is what tandem consume prints of a whole topic.
func (c *consoles) consumed(topic string, args ...string) string {
	c.Helper()
	args = append([]string{"consume", "--bootstrap-server", c.broker, "--topic", topic, "--from-beginning", "--until-end", "--schema-registry-url", c.registry}, args...)
	code, out, errors := tandem(c.T, c.Context(), args...)
	if code != 0 {
		c.Errorf("tandem %s = exit code %d, %s", strings.Join(args, " "), code, errors)
	}
	return out
}

// props makes --property of each.
func props(all ...string) (args []string) {
	for _, p := range all {
		args = append(args, "--property", p)
	}
	return args
}

const consolePrice = `{"type":"record","name":"price","fields":[{"name":"id","type":"int"},{"name":"item","type":["null","string"],"default":null},{"name":"price","type":"double"}]}`

func TestProduceAvro(t *testing.T) {
	c := newConsoles(t)
	registry := "schema.registry.url=" + c.registry
	lines := `"k1"|{"id":1,"item":{"string":"bell"},"price":7.25}` + "\n" + `"k2"|{"id":2,"item":null,"price":9}` + "\n"
	code, errors := c.produce(lines, append(props(registry, "value.schema="+consolePrice, `key.schema="string"`, "parse.key=true", "key.separator=|"), "--topic", "prices")...)
	if code != 0 || !strings.Contains(errors, "no topic prices") {
		t.Errorf("tandem produce = exit code %d, %q; want 0, and that the topic was made", code, errors)
	}
	if got, want := c.consumed("prices", props(registry, "print.key=true")...), `"k1"	{"id":1,"item":{"string":"bell"},"price":7.25}`+"\n"+`"k2"	{"id":2,"item":null,"price":9.0}`+"\n"; got != want {
		t.Errorf("consumed with --property (-want +got)\n%s", cmp.Diff(want, got))
	}
	if got, want := c.consumed("prices"), `{"key":"k1","value":{"id":1,"item":"bell","price":7.25}}`+"\n"+`{"key":"k2","value":{"id":2,"item":null,"price":9}}`+"\n"; got != want {
		t.Errorf("consumed (-want +got)\n%s", cmp.Diff(want, got))
	}
	// The same schema by its id, and from a file; keys that are texts beside Avro values; nulls.
	file := filepath.Join(t.TempDir(), "price.avsc")
	if err := os.WriteFile(file, []byte(consolePrice+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	line := `{"id":3,"item":null,"price":1}`
	for _, given := range []string{"value.schema.file=" + file, "value.schema.id=1"} {
		if code, errors := c.produce(line+"\n", append(props(registry, given), "--topic", "more")...); code != 0 {
			t.Errorf("tandem produce --property %s = exit code %d, %s", given, code, errors)
		}
	}
	texts := "key.serializer=org.apache.kafka.common.serialization.StringSerializer"
	code, errors = c.produce("a\t"+line+"\nb\tNONE\n", append(props(registry, "value.schema="+consolePrice, "parse.key=true", texts, "null.marker=NONE"), "--topic", "more")...)
	if code != 0 {
		t.Errorf("tandem produce with keys that are texts = exit code %d, %s", code, errors)
	}
	want := "null	" + `{"id":3,"item":null,"price":1.0}` + "\n"
	want += want + "a	" + `{"id":3,"item":null,"price":1.0}` + "\n" + "b	null\n"
	if got := c.consumed("more", props(registry, "print.key=true")...); got != want {
		t.Errorf("consumed (-want +got)\n%s", cmp.Diff(want, got))
	}
}

func TestProduceTexts(t *testing.T) {
	c := newConsoles(t)
	// Lines are records, also the last one without an end; a line of Windows has none of its end.
	if code, errors := c.produce("{\"x\": 1}\r\n\nlast", "--topic", "texts", "--compression-codec", "gzip", "--producer-property", "linger.ms=0"); code != 0 {
		t.Errorf("tandem produce = exit code %d, %s", code, errors)
	}
	if got, want := c.consumed("texts", props("print.offset=true", "key.separator= ")...), "Offset:0 {\"x\": 1}\nOffset:1 \nOffset:2 last\n"; got != want {
		t.Errorf("consumed (-want +got)\n%s", cmp.Diff(want, got))
	}
	if code, errors := c.produce("h1:v1,h2:\tk\tv\n", append(props("parse.headers=true", "parse.key=true"), "--topic", "headers")...); code != 0 {
		t.Errorf("tandem produce with headers = exit code %d, %s", code, errors)
	}
	if got, want := c.consumed("headers", props("print.headers=true", "print.key=true", "print.partition=true")...), "Partition:0\th1:v1,h2:\tk\tv\n"; got != want {
		t.Errorf("consumed (-want +got)\n%s", cmp.Diff(want, got))
	}
	if code, errors := c.produce("alone\n", append(props("parse.key=true", "ignore.error=true"), "--topic", "ignored")...); code != 0 {
		t.Errorf("tandem produce with ignore.error = exit code %d, %s", code, errors)
	}
	if got, want := c.consumed("ignored", props("print.headers=true", "print.key=true", "null.literal=NULL")...), "NO_HEADERS\tNULL\talone\n"; got != want {
		t.Errorf("consumed (-want +got)\n%s", cmp.Diff(want, got))
	}
}

func TestProduceErrors(t *testing.T) {
	c := newConsoles(t)
	registry := "schema.registry.url=" + c.registry
	for _, test := range []struct {
		lines string
		args  []string
		want  string
	}{
		{"", nil, "--topic is needed"},
		{"", []string{"--topic", "t", "--property", "parse.key"}, "want NAME=VALUE"},
		{"", append(props("parse.key=yes"), "--topic", "t"), "want true or false"},
		{"", append(props("value.scheme=1"), "--topic", "t"), "value.scheme is not known"},
		{"", append(props(registry), "--topic", "t"), "value.schema, value.schema.file or value.schema.id is needed"},
		{"", append(props(registry, "value.schema=nonsense"), "--topic", "t"), "nonsense"},
		{"", append(props(registry, `value.schema="int"`, "parse.key=true"), "--topic", "t"), "key.schema is needed"},
		{"", append(props(registry, `value.schema="int"`, "value.schemas=1"), "--topic", "t"), "value.schemas"},
		{"", append(props(registry, `value.schema="int"`, "auto.register.schemas=false"), "--topic", "t"), `subject "t-value"`},
		{"1\n\"x\"\n", append(props(registry, `value.schema="int"`), "--topic", "t"), `line 2: value: "x" is no int`},
		{"a:1\nb\n", append(props("parse.key=true", "key.separator=:"), "--topic", "u"), `line 2: no key: want ":" behind it`},
		{"a\n", append(props("parse.headers=true"), "--topic", "u"), "no headers"},
		{"a\tb\n", append(props("parse.headers=true"), "--topic", "u"), "want NAME:VALUE"},
		{"", []string{"--topic", "t", "--command-config", "missing.properties"}, "missing.properties"},
		{"", []string{"--topic", "t", "--compression-codec", "rar"}, "rar"},
		{"", []string{"--topic", "t", "extra"}, "unexpected argument"},
	} {
		code, errors := c.produce(test.lines, test.args...)
		if code != 1 || !strings.Contains(errors, test.want) {
			t.Errorf("tandem produce %s = exit code %d, %s; want 1 and %q in it", strings.Join(test.args, " "), code, errors, test.want)
		}
	}
	// What stands before the wrong line is published.
	if got := c.consumed("u", props("print.key=true")...); got != "a	1\n" {
		t.Errorf("consumed %q, want the line before the wrong one", got)
	}
	for args, want := range map[string]string{"--property print.key=1x": "want true or false", "--property print.keys=true": "print.keys", "--positions --property print.key=true": "--positions"} {
		code, _, errors := tandem(t, t.Context(), append([]string{"consume", "--topic", "u"}, strings.Fields(args)...)...)
		if code != 1 || !strings.Contains(errors, want) {
			t.Errorf("tandem consume %s = exit code %d, %s; want 1 and %q in it", args, code, errors, want)
		}
	}
}

// TestProduceInterrupted: Ctrl-C ends it while it waits for a line, and what was given is published.
func TestProduceInterrupted(t *testing.T) {
	c := newConsoles(t)
	in, lines := io.Pipe()
	defer lines.Close()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan int, 1)
	go func() {
		var e bytes.Buffer
		ended <- run(ctx, &console{in: in, out: io.Discard, err: &e}, []string{"produce", "--bootstrap-server", c.broker, "--topic", "t"})
	}()
	for _, line := range []string{"one\n", "two\n"} {
		if _, err := io.WriteString(lines, line); err != nil {
			t.Fatal(err)
		}
	}
	for c.consumed("t", "--property", "print.key=false") != "one\ntwo\n" {
		if ctx.Err() != nil {
			t.Fatal("the lines are not published")
		}
	}
	stop()
	if code := <-ended; code != 0 {
		t.Errorf("tandem produce, interrupted = exit code %d, want 0", code)
	}
}
