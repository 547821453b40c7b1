package filestream

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/internal/golden"
)

// transcript is a recording of the REST API.
type transcript struct {
	Steps []struct {
		Note    string
		Request struct {
			Method, Path string
			JSON         json.RawMessage
		}
		Response struct {
			Status int
			JSON   json.RawMessage
		}
	}
}

// transcripts calls f with each recorded transcript, and counts what it says.
func transcripts(t *testing.T, f func(t *testing.T, r transcript) int) {
	checked := 0
	for _, path := range golden.ConnectFiles(t, "../..", "rest/*.json") {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var r transcript
		if err := json.Unmarshal(text, &r); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		t.Run(path[strings.LastIndexByte(path, '/')+1:], func(t *testing.T) { checked += f(t, r) })
	}
	if _, other := os.LookupEnv(golden.ConnectEnvironment); checked == 0 && !other {
		t.Error("no recorded step was looked at")
	}
}

// offsets is the body of PATCH /connectors/NAME/offsets.
type offsets struct {
	Offsets []struct{ Partition, Offset json.RawMessage }
}

// What the recorded worker said of offsets to be set for a file source that was stopped.
func TestRecordedOffsets(t *testing.T) {
	transcripts(t, func(t *testing.T, r transcript) (checked int) {
		props := make(map[string]map[string]string)
		for _, s := range r.Steps {
			name := strings.TrimSuffix(strings.TrimPrefix(s.Request.Path, "/connectors/"), "/offsets")
			var created struct {
				Name   string
				Config map[string]string
			}
			if json.Unmarshal(s.Response.JSON, &created) == nil && created.Config["connector.class"] == SourceClass {
				props[created.Name] = created.Config
				continue
			}
			var body offsets
			if s.Request.Method != "PATCH" || props[name] == nil || json.Unmarshal(s.Request.JSON, &body) != nil {
				continue
			}
			var answer struct{ Message string }
			if err := json.Unmarshal(s.Response.JSON, &answer); err != nil {
				t.Fatalf("%s: %v", s.Note, err)
			}
			if s.Response.Status == 400 || strings.Contains(answer.Message, "Unrecognized field") {
				continue // the worker refused
			}
			want, got := "", ""
			if s.Response.Status != 200 {
				want = answer.Message
			}
			for _, o := range body.Offsets {
				if err := CheckOffset(props[name], o.Partition, o.Offset); err != nil {
					got = err.Error()
				}
			}
			if checked++; got != want {
				t.Errorf("%s: CheckOffset = %q, want %q", s.Note, got, want)
			}
		}
		return checked
	})
}

func TestOffsetsOfStandardInput(t *testing.T) {
	if err := CheckOffset(map[string]string{"topic": "t"}, nil, nil); err != error(errStdinOffsets) {
		t.Errorf("CheckOffset without a file = %v, want %v", err, errStdinOffsets)
	}
	file := map[string]string{"topic": "t", "file": "x"}
	for offset, want := range map[string]error{
		`{"position":9223372036854775807}`: nil, `{"position":9223372036854775808}`: errPositionType, `{"position":1.0}`: errPositionType,
		`{"position":null}`: errPositionType, `{"position":true}`: errPositionType, `7`: errNoPosition, `{}`: errNoPosition, ` null `: nil,
	} {
		if err := CheckOffset(file, []byte(`{"filename":"x"}`), []byte(offset)); err != want {
			t.Errorf("CheckOffset(%s) = %v, want %v", offset, err, want)
		}
	}
}

// definition is an option as the REST API shows it.
type definition struct {
	Name, Type, Importance string
	Required               bool
	Default                *string `json:"default_value"`
}

// The recorded definitions of the plugins' own options: those without a group.
func TestRecordedDefinitions(t *testing.T) {
	own := func(keys config.Keys) (all []definition) {
		for _, k := range keys {
			d := definition{Name: k.Name, Type: string(k.Type), Importance: string(k.Importance), Required: k.Required}
			if !k.Required && !k.NoDefault {
				d.Default = &k.Default
			}
			all = append(all, d)
		}
		return all
	}
	source := DefaultSourceConfig()
	plugins := map[string]config.Keys{SourceClass: source.Keys(), SinkClass: new(SinkConfig).Keys()}
	transcripts(t, func(t *testing.T, r transcript) (checked int) {
		for _, s := range r.Steps {
			name, isDefinitions := strings.CutPrefix(strings.TrimSuffix(s.Request.Path, "/config"), "/connector-plugins/")
			if s.Request.Method != "GET" || !isDefinitions || s.Response.Status != 200 {
				continue
			}
			for class, keys := range plugins {
				if name != class && name != strings.TrimSuffix(class[strings.LastIndexByte(class, '.')+1:], "Connector") {
					continue
				}
				var all []struct {
					definition
					Group *string
				}
				if err := json.Unmarshal(s.Response.JSON, &all); err != nil {
					t.Fatal(err)
				}
				var want []definition
				for _, d := range all {
					if d.Group == nil {
						want = append(want, d.definition)
					}
				}
				checked++
				if diff := cmp.Diff(want, own(keys)); diff != "" {
					t.Errorf("%s: the options of %s (-want +got)\n%s", s.Note, class, diff)
				}
			}
		}
		return checked
	})
}

func TestValidate(t *testing.T) {
	for _, c := range []struct {
		props map[string]string
		want  []string
	}{
		{map[string]string{"topic": "t"}, nil},
		{map[string]string{}, []string{`Missing required configuration "topic" which has no default value.`}},
		{map[string]string{"topic": " ", "batch.size": "x"}, []string{"Invalid value  for configuration topic: String must be non-empty", "Invalid value x for configuration batch.size: Not a number of type INT"}},
	} {
		var got []string
		for _, p := range ValidateSource(c.props).Errors {
			got = append(got, p.Message)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("ValidateSource(%v) (-want +got)\n%s", c.props, diff)
		}
	}
	if r := ValidateSink(map[string]string{}); len(r.Errors) > 0 {
		t.Errorf("ValidateSink of nothing = %v", r.Errors)
	}
	if configs, err := SourceTaskConfigs(map[string]string{"topic": "t"}, 9); err != nil || len(configs) != 1 {
		t.Errorf("SourceTaskConfigs = %v, %v, want one", configs, err)
	}
	if ExactlyOnce(map[string]string{"topic": "t"}) || !ExactlyOnce(map[string]string{"topic": "t", "file": "x"}) {
		t.Error("ExactlyOnce is for files alone")
	}
}
