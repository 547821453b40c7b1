package signal_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/cdc/signal"
)

func sig(kind, data string) signal.Signal {
	return signal.Signal{ID: "1", Type: kind, Data: []byte(data), Channel: signal.ChannelFile, Offset: -1}
}

func TestParseExecute(t *testing.T) {
	for data, want := range map[string]signal.Execute{
		`{"data-collections":["public.t"]}`:                                            {Collections: []string{"public.t"}},
		`{"data-collections":[" a.b ","c.*"],"type":"INCREMENTAL"}`:                    {Collections: []string{"a.b", "c.*"}},
		`{"data-collections":["t"],"type":"Blocking","surrogate-key":" "}`:             {Collections: []string{"t"}, Kind: signal.Blocking},
		`{"data-collections":["t"],"type":7,"surrogate-key":"k","more":{}}`:            {Collections: []string{"t"}, SurrogateKey: "k"},
		`{"data-collections":["t"],"additional-conditions":{}}`:                        {Collections: []string{"t"}},
		`{"data-collections":["t"],"additional-conditions":[{"data-collection":"t"}]}`: {Collections: []string{"t"}, Conditions: []signal.Condition{{Collection: "t"}}},
		`{"data-collections":["t"],"additional-conditions":[{"data-collection":"t","filter":"id > 3"}]}`: {Collections: []string{"t"},
			Conditions: []signal.Condition{{Collection: "t", Filter: "id > 3"}}},
	} {
		got, err := signal.ParseExecute(sig(signal.TypeExecute, data))
		if err != nil {
			t.Errorf("ParseExecute(%s) = %v", data, err)
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("ParseExecute(%s) (-want +got):\n%s", data, diff)
		}
	}
}

// What Debezium leaves undone with a warning is an Error that names the signal.
func TestParseErrors(t *testing.T) {
	execute := func(s signal.Signal) error { _, err := signal.ParseExecute(s); return err }
	stop := func(s signal.Signal) error { _, err := signal.ParseStop(s); return err }
	log := func(s signal.Signal) error { _, err := signal.ParseLog(s); return err }
	pause := func(s signal.Signal) error { _, err := signal.ParsePause(s); return err }
	resume := func(s signal.Signal) error { _, err := signal.ParseResume(s); return err }
	for _, tt := range []struct {
		name  string
		parse func(signal.Signal) error
		data  string
		want  string
	}{
		{"execute", execute, `no json`, "not a JSON object"},
		{"execute", execute, `["a"]`, "not a JSON object"},
		{"execute", execute, ``, "names no tables"},
		{"execute", execute, `{"data-collections":[]}`, "names no tables"},
		{"execute", execute, `{"data-collections":"public.t"}`, "names no tables"},
		{"execute", execute, `{"data-collections":["t",1]}`, "which is no text"},
		{"execute", execute, `{"data-collections":["t"],"type":"fancy"}`, `"fancy" is unknown`},
		{"execute", execute, `{"data-collections":["t"],"additional-conditions":[{"filter":"x"}]}`, "additional condition needs"},
		{"execute", execute, `{"data-collections":["t"],"additional-conditions":["x"]}`, "additional condition needs"},
		{"stop", stop, `{"data-collections":[null]}`, "which is no text"},
		{"stop", stop, `{"type":"fancy"}`, `"fancy" is unknown`},
		{"log", log, ``, `has no "message"`},
		{"log", log, `{"message":5}`, `has no "message"`},
		{"pause", pause, `7`, "not a JSON object"},
		{"resume", resume, `{"type":"x"}`, `"x" is unknown`},
	} {
		err := tt.parse(sig(tt.name, tt.data))
		var bad *signal.Error
		if !errors.As(err, &bad) || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), `signal "1" of type "`+tt.name) {
			t.Errorf("Parse of %s %s = %v, want an Error with %q and the signal", tt.name, tt.data, err, tt.want)
		}
	}
}

func TestParseOthers(t *testing.T) {
	stop, err := signal.ParseStop(sig(signal.TypeStop, ""))
	if err != nil || len(stop.Collections) != 0 || stop.Kind != signal.Incremental {
		t.Errorf("ParseStop without data = %+v, %v, want all of an incremental snapshot", stop, err)
	}
	pause, err := signal.ParsePause(sig(signal.TypePause, `{"type":"blocking"}`))
	if err != nil || pause.Kind.String() != "BLOCKING" {
		t.Errorf("ParsePause = %+v, %v, want BLOCKING", pause, err)
	}
	resume, err := signal.ParseResume(sig(signal.TypeResume, `{}`))
	if err != nil || resume.Kind.String() != "INCREMENTAL" {
		t.Errorf("ParseResume = %+v, %v, want INCREMENTAL", resume, err)
	}
	log, err := signal.ParseLog(sig(signal.TypeLog, `{"message":"at {}"}`))
	if err != nil || log.Message != "at {}" {
		t.Errorf("ParseLog = %+v, %v, want at {}", log, err)
	}
	for _, tt := range []struct {
		kind, id string
		want     signal.Window
	}{
		{signal.TypeWindowOpen, "a-b-open", signal.Window{ID: "a-b"}},
		{signal.TypeWindowClose, "a-b-close", signal.Window{ID: "a-b", Close: true}},
		{signal.TypeWindowClose, "other", signal.Window{ID: "other", Close: true}},
	} {
		s := sig(tt.kind, "")
		s.ID = tt.id
		if got := signal.ParseWindow(s); got != tt.want {
			t.Errorf("ParseWindow(%s %s) = %+v, want %+v", tt.kind, tt.id, got, tt.want)
		}
	}
}

func TestParseWire(t *testing.T) {
	got, err := signal.ParseWire([]byte(`{"id":7,"type":"log","data":{"message":"x"},"more":1}`))
	if err != nil {
		t.Fatal(err)
	}
	want := signal.Signal{ID: "7", Type: "log", Data: []byte(`{"message":"x"}`), Offset: -1}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("ParseWire (-want +got):\n%s", diff)
	}
	for _, text := range []string{``, `x`, `[]`, `{}`, `{"id":"1"}`, `{"id":"1","type":"log"}`, `{"id":null,"type":"log","data":{}}`, `{"id":"1","type":{},"data":{}}`} {
		if s, err := signal.ParseWire([]byte(text)); err == nil {
			t.Errorf("ParseWire(%s) = %+v, want an error", text, s)
		}
	}
}

// Whatever comes in is parsed or refused. What is parsed says the same when it is written down and parsed again.
func FuzzSignal(f *testing.F) {
	f.Add([]byte(`{"id":"1","type":"execute-snapshot","data":{"data-collections":["public.t"],"type":"blocking","additional-conditions":[{"data-collection":"a","filter":"b"}],"surrogate-key":"k"}}`))
	f.Add([]byte(`{"id":"1","type":"log","data":{"message":"\ud800 {}"}}`))
	f.Add([]byte(`{"id":1,"type":"stop-snapshot","data":null}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := signal.ParseWire(text)
		if err != nil {
			s = sig(signal.TypeExecute, string(text)) // the data of a row of the signal table
		}
		for _, parse := range []func(signal.Signal) error{
			func(s signal.Signal) error { _, err := signal.ParseStop(s); return err },
			func(s signal.Signal) error { _, err := signal.ParsePause(s); return err },
			func(s signal.Signal) error { _, err := signal.ParseResume(s); return err },
			func(s signal.Signal) error { _, err := signal.ParseLog(s); return err },
		} {
			var bad *signal.Error
			if err := parse(s); err != nil && !errors.As(err, &bad) {
				t.Errorf("an error of a signal is %T, want *signal.Error", err)
			}
		}
		_ = signal.ParseWindow(s)
		e, err := signal.ParseExecute(s)
		if err != nil {
			return
		}
		if len(e.Collections) == 0 {
			t.Errorf("ParseExecute(%q) names no tables and is no error", s.Data)
		}
		again, err := signal.ParseExecute(sig(s.Type, written(e)))
		if err != nil {
			t.Fatalf("ParseExecute(%s) = %v", written(e), err)
		}
		if diff := cmp.Diff(e, again); diff != "" {
			t.Errorf("ParseExecute of what it said (-first +second):\n%s", diff)
		}
	})
}

// written is the data of a signal.
func written(e signal.Execute) string {
	type condition struct {
		Collection string `json:"data-collection"`
		Filter     string `json:"filter"`
	}
	var conditions []condition
	for _, c := range e.Conditions {
		conditions = append(conditions, condition(c))
	}
	text, _ := json.Marshal(map[string]any{"data-collections": e.Collections, "type": e.Kind.String(), "additional-conditions": conditions, "surrogate-key": e.SurrogateKey})
	return string(text)
}
