package rest

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// openAPI is docs/openapi.yaml as far as the tests read it: two blanks a level, a path or a method a line, properties below their schema.
type openAPI struct {
	paths      []string            // "GET /connectors"
	properties map[string][]string // names of a schema's properties
	refs       []string            // components that are referred to
	components []string            // those that there are
	operations []string            // operationIds
}

var (
	openAPIPath      = regexp.MustCompile(`^  (/\S*):$`)
	openAPIMethod    = regexp.MustCompile(`^    (get|put|post|patch|delete):$`)
	openAPIKind      = regexp.MustCompile(`^  (parameters|headers|responses|schemas):$`)
	openAPIComponent = regexp.MustCompile(`^    (\w+):( \{.*\})?$`)
	openAPIProperty  = regexp.MustCompile(`^        (\w+): `)
	openAPIRef       = regexp.MustCompile(`\$ref: "#/components/(\w+/\w+)"`)
	openAPIOperation = regexp.MustCompile(`^      operationId: (\w+)$`)
)

func readOpenAPI(t *testing.T) openAPI {
	t.Helper()
	text, err := os.ReadFile("../../docs/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	doc := openAPI{properties: make(map[string][]string)}
	path, kind, schema, inProperties := "", "", "", false
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\n")
		for _, m := range openAPIRef.FindAllStringSubmatch(line, -1) {
			doc.refs = append(doc.refs, m[1])
		}
		if m := openAPIOperation.FindStringSubmatch(line); m != nil {
			doc.operations = append(doc.operations, m[1])
		}
		if m := openAPIPath.FindStringSubmatch(line); m != nil {
			path = m[1]
		} else if m := openAPIMethod.FindStringSubmatch(line); m != nil && kind == "" {
			doc.paths = append(doc.paths, strings.ToUpper(m[1])+" "+path)
		} else if m := openAPIKind.FindStringSubmatch(line); m != nil {
			kind = m[1]
		} else if m := openAPIComponent.FindStringSubmatch(line); m != nil && kind != "" {
			schema, inProperties = m[1], false
			doc.components = append(doc.components, kind+"/"+schema)
		} else if line == "      properties:" {
			inProperties = true
		} else if m := openAPIProperty.FindStringSubmatch(line); m != nil && kind == "schemas" && inProperties {
			doc.properties[schema] = append(doc.properties[schema], m[1])
		}
	}
	return doc
}

// TestOpenAPI holds docs/openapi.yaml to the router: every path and method is described, and none more; what is referred to is there, and used.
func TestOpenAPI(t *testing.T) {
	doc := readOpenAPI(t)
	want := []string{"GET " + metricsPath}
	a := new(api)
	for _, res := range append(a.resources(), a.adminResources()...) {
		for _, m := range res.methods {
			want = append(want, m.name+" "+res.path)
		}
	}
	slices.Sort(want)
	got := slices.Sorted(slices.Values(doc.paths))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("paths of docs/openapi.yaml (-served +described)\n%s", diff)
	}
	refs := slices.Compact(slices.Sorted(slices.Values(doc.refs)))
	if diff := cmp.Diff(slices.Sorted(slices.Values(doc.components)), refs); diff != "" {
		t.Errorf("components of docs/openapi.yaml (-there +referred to)\n%s", diff)
	}
	operations := slices.Sorted(slices.Values(doc.operations))
	if len(slices.Compact(slices.Clone(operations))) != len(doc.paths) {
		t.Errorf("operationIds %q, want one for each of %d operations", operations, len(doc.paths))
	}
}

// TestOpenAPIBodies holds the described bodies to the ones that are sent and read.
func TestOpenAPIBodies(t *testing.T) {
	doc := readOpenAPI(t)
	for name, body := range map[string]any{
		"Error": errorBody{}, "Message": messageBody{}, "ServerInfo": rootBody{}, "WorkerStatus": healthBody{}, "CreateConnectorRequest": createBody{}, "TaskId": taskID{},
		"ConnectorInfo": connectorBody{}, "TaskInfo": taskBody{}, "ConnectorState": state{}, "TaskState": taskState{}, "ConnectorStateInfo": statusBody{},
		"ConnectorOffset": offsetBody{}, "ConnectorOffsets": offsetsBody{}, "PluginInfo": pluginBody{}, "ConfigKeyInfo": definitionBody{}, "ConfigValueInfo": valueBody{},
		"ConfigInfo": infoBody{}, "ConfigInfos": infosBody{}, "LoggerLevel": loggerBody{}, "Lag": lagBody{}, "TaskLag": taskLag{}, "LagRung": lagRung{}, "LagSlot": lagSlot{},
		"WorkerLag": workerLag{}, "PartitionLag": partitionLag{}, "SinkRung": sinkRung{},
	} {
		if diff := cmp.Diff(jsonFields(reflect.TypeOf(body)), doc.properties[name]); diff != "" {
			t.Errorf("schema %s of docs/openapi.yaml (-sent +described)\n%s", name, diff)
		}
	}
}

// jsonFields are the names of a struct's fields in JSON, those of embedded structs included.
func jsonFields(t reflect.Type) (names []string) {
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			names = append(names, jsonFields(f.Type)...)
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		names = append(names, name)
	}
	return names
}
