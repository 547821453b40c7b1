package converter

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/sr/srfake"

	"github.com/tandem-cdc/tandem/schema"
)

// TestPreview: what would become of a schema is told, and nothing is registered.
func TestPreview(t *testing.T) {
	for _, c := range []struct {
		name    string
		options []string
		there   bool // the schema is registered
		refuses bool // the registry finds it incompatible
		isNew   bool
		want    string // contained in Preview.Err
	}{
		{name: "new", isNew: true},
		{name: "there", there: true},
		{name: "incompatible", refuses: true, isNew: true, want: "incompatible with an earlier version: no"},
		{name: "nobody registers", options: []string{"auto.register.schemas=false"}, want: "register the schema, or set it to true"},
		{name: "somebody has", options: []string{"auto.register.schemas=false"}, there: true},
		{name: "latest", options: []string{"auto.register.schemas=false", "use.latest.version=true"}, there: true},
		{name: "no latest", options: []string{"auto.register.schemas=false", "use.latest.version=true"}, want: "not in the schema registry"},
	} {
		fake := srfake.New()
		t.Cleanup(fake.Close)
		open := func(options ...string) Converter {
			props := map[string]string{"schema.registry.url": fake.URL()}
			for _, o := range options {
				name, value, _ := strings.Cut(o, "=")
				props[name] = value
			}
			conv, report := New(AvroClass, props, false, Env{})
			if err := report.Err(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(conv.Close)
			return conv
		}
		if c.there {
			if _, err := open().NewSerializer(t.Context(), "shop", personSchema); err != nil {
				t.Fatal(err)
			}
		}
		registered := false
		fake.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
			registered = registered || strings.HasSuffix(r.URL.Path, "/versions") && r.Method == http.MethodPost
			if !c.refuses || !strings.HasPrefix(r.URL.Path, "/compatibility/") {
				return false
			}
			_, _ = io.WriteString(w, `{"is_compatible": false, "messages": ["no"]}`)
			return true
		})
		p, err := open(c.options...).(Previewer).Preview(t.Context(), "shop", personSchema)
		if err != nil {
			t.Fatalf("%s: Preview = %v", c.name, err)
		}
		if p.Subject != "shop-value" || !strings.Contains(p.Text, `"record"`) || p.New != c.isNew || (p.ID != 0) != c.there || registered {
			t.Errorf("%s: Preview = %+v, registered %v, want new %v and an id %v", c.name, p, registered, c.isNew, c.there)
		}
		if (p.Err == nil) != (c.want == "") || p.Err != nil && !strings.Contains(p.Err.Error(), c.want) {
			t.Errorf("%s: Preview's error = %v, want %q", c.name, p.Err, c.want)
		}
	}
	conv, _ := New(AvroClass, map[string]string{"schema.registry.url": "http://127.0.0.1:1"}, false, Env{})
	t.Cleanup(conv.Close)
	if _, err := conv.(Previewer).Preview(t.Context(), "shop", schema.Of(schema.String)); err == nil {
		t.Error("Preview without a registry has no error, want that it does not answer")
	}
}
