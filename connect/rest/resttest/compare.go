package resttest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"
)

// compare is empty when an answer is that of the recording.
func compare(s Step, got *http.Response) string {
	var body bytes.Buffer
	if _, err := body.ReadFrom(got.Body); err != nil {
		return err.Error()
	}
	if got.StatusCode != s.Response.Status {
		return fmt.Sprintf("status %d, want %d; body %s", got.StatusCode, s.Response.Status, body.String())
	}
	for _, name := range []string{"Content-Type", "Location", "Allow"} {
		if g, w := got.Header.Get(name), s.Response.Headers[name]; g != w {
			return fmt.Sprintf("header %s: %q, want %q", name, g, w)
		}
	}
	switch {
	case s.Request.Method == http.MethodHead: // net/http leaves the body out
		return ""
	case s.Response.Text != nil:
		if strings.HasPrefix(*s.Response.Text, "<html>") {
			return ""
		}
		return cmp.Diff(*s.Response.Text, body.String())
	case s.Response.Empty:
		return cmp.Diff("", body.String())
	}
	var want, have any
	if err := errors.Join(json.Unmarshal(s.Response.JSON, &want), json.Unmarshal(body.Bytes(), &have)); err != nil {
		return fmt.Sprintf("%v in %s", err, body.String())
	}
	if s.Request.Path == "/admin/loggers" {
		dropLoggers(want, have)
	}
	if m, ok := want.(map[string]any); ok && got.StatusCode == http.StatusInternalServerError && isJava(m["message"]) {
		delete(m, "message")
		if h, ok := have.(map[string]any); ok {
			delete(h, "message")
		}
	}
	forgive(want, have)
	return cmp.Diff(normalise("", want), normalise("", have))
}

// forgive drops traces of which the recording's is the JVM's own: that there is one is the contract then.
func forgive(want, have any) {
	switch w := want.(type) {
	case map[string]any:
		h, _ := have.(map[string]any)
		if trace, ok := w["trace"].(string); ok && (isJava(trace) || strings.Contains(trace, "NullPointerException")) && h["trace"] != nil {
			w["trace"], h["trace"] = "", ""
		}
		for name, inner := range w {
			forgive(inner, h[name])
		}
	case []any:
		h, _ := have.([]any)
		for i := range min(len(w), len(h)) {
			forgive(w[i], h[i])
		}
	}
}

// isJava tells texts of Jackson and of null pointers, which are no contract.
func isJava(message any) bool {
	text, _ := message.(string)
	return javaText.MatchString(text)
}

var javaText = regexp.MustCompile(`Cannot invoke|StreamReadFeature|because "`)

// dropLoggers leaves those loggers that were set, and the root: which others there are is a matter of the code.
func dropLoggers(lists ...any) {
	for _, list := range lists {
		loggers, _ := list.(map[string]any)
		for name, l := range loggers {
			if level, ok := l.(map[string]any); ok && level["last_modified"] == nil && name != "root" {
				delete(loggers, name)
			}
		}
	}
}

var (
	available = regexp.MustCompile(`(?s)available connectors are: (.*)$`)
	location  = regexp.MustCompile(`location='[^']*'`)
	inBraces  = regexp.MustCompile(`^Connector config \{(.*)\} contains`)
)

// normalise sorts what Kafka Connect gives in the order of a hash and cuts what differs by nature.
func normalise(key string, v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any)
		for k, e := range v {
			out[k] = normalise(k, e)
		}
		return out
	case []any:
		for i := range v {
			v[i] = normalise("", v[i])
		}
		if key == "" || key == "topics" || key == "offsets" {
			slices.SortFunc(v, func(a, b any) int { return bytes.Compare(sortKey(a), sortKey(b)) })
		}
		return v
	case string:
		switch key {
		case "commit", "kafka_cluster_id":
			return "<" + key + ">"
		case "trace":
			return traceOf(v)
		case "message":
			return sorted(v)
		}
	case float64:
		if key == "last_modified" {
			return "<EPOCH_MS>"
		}
	}
	return v
}

func sortKey(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	return b
}

// traceOf is the first line of a trace: what clients show.
func traceOf(trace string) string {
	first, _, _ := strings.Cut(trace, "\n")
	return first
}

// sorted puts the plugins and options that a message lists into one order.
func sorted(message string) string {
	if m := available.FindStringSubmatchIndex(message); m != nil {
		list := location.ReplaceAllString(message[m[2]:m[3]], "location")
		parts := strings.SplitAfter(list, "}, ")
		for i := range parts {
			parts[i] = strings.TrimSuffix(parts[i], ", ")
		}
		slices.Sort(parts)
		return message[:m[2]] + strings.Join(parts, ", ")
	}
	if m := inBraces.FindStringSubmatchIndex(message); m != nil {
		parts := strings.Split(message[m[2]:m[3]], ", ")
		slices.Sort(parts)
		return message[:m[2]] + strings.Join(parts, ", ") + message[m[3]:]
	}
	return message
}
