package elasticsearch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"net/url"
	"strconv"
	"strings"

	"github.com/tandem-cdc/tandem/schema"
	"github.com/tandem-cdc/tandem/schema/converter"
)

// resource is an index, a data stream or an alias that is written to.
type resource struct {
	name   string
	salt   uint64 // of the hashes of ids
	exists bool
	mapped bool   // it has a mapping, or needs none
	topic  string // whose records came first
	shared bool   // records of another topic came too, and the log says so

	// The beginnings of action lines, up to the id or behind all that there is without one.
	write, writeNoID, remove []byte
	writeEnd                 []byte // behind the id of an upsert
}

// topicPlan is what is prepared for the records of one topic, after transforms.
type topicPlan struct {
	topic        string
	resource     *resource // nil: the topic is not in topic.to.external.resource.mapping
	ignoreKey    bool
	ignoreSchema bool
	rules        documentRules
	schema       *schema.Schema // that plan is of; compared as a pointer
	plan         *place
}

func (t *Task) newPlan(topic string) *topicPlan {
	p := &topicPlan{topic: topic, ignoreKey: t.cfg.ignoresKey(topic), ignoreSchema: t.cfg.ignoresSchema(topic)}
	p.rules = documentRules{raw: p.ignoreSchema, compact: t.cfg.CompactMaps}
	if name, ok := t.cfg.resourceName(topic); ok {
		p.resource = t.resourceOf(name)
	}
	return p
}

// resourceOf is the resource of a name, which several topics may have.
func (t *Task) resourceOf(name string) *resource {
	if r := t.resources[name]; r != nil {
		return r
	}
	action := "index"
	switch {
	case t.cfg.WriteMethod == methodUpsert:
		action = "update"
	case t.cfg.dataStreams():
		action = "create"
	}
	head := func(action string) []byte {
		return converter.AppendJSONString([]byte(`{"`+action+`":{"_index":`), name)
	}
	r := &resource{name: name, salt: maphash.String(t.seed, name)}
	r.write = append(head(action), `,"_id":`...)
	r.writeNoID = append(head(action), "}}\n"...)
	r.remove = append(head("delete"), `,"_id":`...)
	if action == "update" {
		r.writeEnd = append(strconv.AppendInt([]byte(`,"retry_on_conflict":`), int64(min(t.cfg.MaxInFlight, 5)), 10), "}}\n"...)
	}
	t.resources[name] = r
	return r
}

// prepare makes a resource ready for a value of a schema: it makes the index, and its mapping where there is none.
func (t *Task) prepare(ctx context.Context, p *topicPlan, s *schema.Schema, isNull bool) error {
	r := p.resource
	if !r.exists {
		if t.cfg.external == nil {
			if err := t.ensureExists(ctx, r); err != nil {
				return err
			}
		}
		r.exists = true
	}
	if r.mapped || p.ignoreSchema || isNull {
		return nil
	}
	if err := t.ensureMapped(ctx, r, s); err != nil {
		return err
	}
	r.mapped = true
	return nil
}

// ensureExists makes the index or the data stream if there is none.
func (t *Task) ensureExists(ctx context.Context, r *resource) error {
	exists, err := t.client.exists(ctx, "/"+url.PathEscape(r.name), fmt.Sprintf("look for index %q", r.name))
	if err != nil || exists {
		return err
	}
	create := &request{op: fmt.Sprintf("create index %q", r.name), method: "PUT", path: "/" + url.PathEscape(r.name)}
	if t.cfg.dataStreams() {
		create.op, create.path = fmt.Sprintf("create data stream %q", r.name), "/_data_stream/"+url.PathEscape(r.name)
	}
	t.log.Info(create.op)
	_, err = t.client.call(ctx, create)
	var refused *ResponseError
	if errors.As(err, &refused) && refused.Type == "resource_already_exists_exception" { // another task was faster
		return nil
	}
	return err
}

// exists asks for something by its path.
func (c *client) exists(ctx context.Context, path, op string) (bool, error) {
	_, err := c.call(ctx, &request{op: op, method: "HEAD", path: path})
	var refused *ResponseError
	if errors.As(err, &refused) && refused.Status == 404 {
		return false, nil
	}
	return err == nil, err
}

// ensureMapped gives the resource the mapping of a schema, unless it has one.
func (t *Task) ensureMapped(ctx context.Context, r *resource, s *schema.Schema) error {
	path := "/" + url.PathEscape(r.name) + "/_mapping"
	a, err := t.client.call(ctx, &request{op: fmt.Sprintf("read the mapping of index %q", r.name), method: "GET", path: path})
	if err != nil {
		return err
	}
	var found map[string]struct {
		Mappings map[string]json.RawMessage `json:"mappings"`
	}
	if err := json.Unmarshal(a.body, &found); err != nil {
		return fmt.Errorf("read the mapping of index %q: %w", r.name, err)
	}
	if len(found[r.name].Mappings) > 0 {
		return nil
	}
	body, err := appendMapping([]byte{'{'}, s)
	if err != nil {
		return err
	}
	_, err = t.client.call(ctx, &request{op: fmt.Sprintf("create the mapping of index %q", r.name), method: "PUT", path: path, body: append(body, '}')})
	return err
}

// countDocuments is the number of documents in a resource, 0 when there is none.
func (c *client) countDocuments(ctx context.Context, name string) (int64, error) {
	a, err := c.do(ctx, &request{op: fmt.Sprintf("count the documents of index %q", name), method: "GET", path: "/" + url.PathEscape(name) + "/_count?ignore_unavailable=true"})
	if err != nil {
		return 0, err
	}
	var answer struct{ Count int64 }
	return answer.Count, json.Unmarshal(a.body, &answer)
}

// appendID appends the id of the document of a key, in the words of the original where it cannot be one.
func appendID(dst []byte, s *schema.Schema, key schema.Value) ([]byte, error) {
	if key.IsNull() {
		return nil, &dataError{"Key is used as document id and can not be null.", "give records a key, or set key.ignore=true"}
	}
	kind := key.Type()
	if s != nil {
		kind = s.Type
	}
	switch kind {
	case schema.Int8, schema.Int16, schema.Int32, schema.Int64:
		return append(strconv.AppendInt(append(dst, '"'), key.Int(), 10), '"'), nil
	case schema.String:
		if key.Text() == "" {
			return nil, &dataError{"Key is used as document id and can not be empty.", "set key.ignore=true to have ids of topic, partition and offset"}
		}
		return converter.AppendJSONString(dst, key.Text()), nil
	}
	return nil, &dataError{strings.ToUpper(kind.String()) + " is not supported as the document id.", "take a field of it with the transform ExtractField$Key, or set key.ignore=true"}
}
