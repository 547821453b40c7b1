package registry

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

// TestCompatible: what a registry answers to the question whether it would take a schema.
func TestCompatible(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		answer string
		want   string // contained in the error; "" none
	}{
		{"compatible", 200, `{"is_compatible": true}`, ""},
		{"first version", 404, `{"error_code": 40401, "message": "Subject not found"}`, ""},
		{"not compatible", 200, `{"is_compatible": false, "messages": ["READER_FIELD_MISSING_DEFAULT_VALUE"]}`, `subject "s-value" as incompatible with an earlier version: READER_FIELD_MISSING_DEFAULT_VALUE`},
		{"without reasons", 200, `{"is_compatible": false}`, "it does not say why"},
		{"no answer", 200, `{}`, "does not say whether it is compatible"},
		{"broken", 200, `<html>`, "does not say whether it is compatible"},
		{"not permitted", 403, `{"error_code": 40301, "message": "no"}`, "does not permit it"},
	} {
		fake, _ := newFake(t)
		fake.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method != http.MethodPost || !strings.HasPrefix(r.URL.Path, "/compatibility/subjects/s-value/versions/latest") || r.URL.Query().Get("verbose") != "true" {
				t.Errorf("%s: the client asks %s %s", c.name, r.Method, r.URL)
			}
			w.WriteHeader(c.status)
			_, _ = io.WriteString(w, c.answer)
			return true
		})
		err := newClient(t, Config{URLs: []string{fake.URL()}}).Compatible(t.Context(), "s-value", text)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: Compatible = %v, want %q", c.name, err, c.want)
		}
		if wrong := (*IncompatibleError)(nil); errors.As(err, &wrong) != strings.Contains(c.answer, "false") {
			t.Errorf("%s: Compatible = %T, want an IncompatibleError for what is not compatible alone", c.name, err)
		}
	}
	fake, _ := newFake(t)
	if err := newClient(t, Config{URLs: []string{fake.URL()}}).Compatible(t.Context(), "s-value", text); err != nil {
		t.Errorf("Compatible of a subject that is new = %v, want nil", err)
	}
}
