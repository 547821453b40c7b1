package elasticsearch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// outcome is what became of a bulk.
type outcome struct {
	written   int
	conflicts int
	odd       *item // one of the conflicts, of a record that came after its partition was assigned; nil: none
	left      []bool
	letters   []letter
	err       error // the task cannot go on
}

// delivery is a bulk on its way.
type delivery struct {
	*outcome
	p    *pipeline
	bulk *bulk
	op   string
}

// send writes a bulk, with all further attempts.
func (p *pipeline) send(ctx context.Context, b *bulk) *outcome {
	d := &delivery{outcome: &outcome{left: make([]bool, len(b.items))}, p: p, bulk: b, op: fmt.Sprintf("write %d documents", len(b.items))}
	all := make([]int, len(b.items))
	for i := range all {
		all[i] = i
	}
	d.err = d.deliver(ctx, all)
	return d.outcome
}

// deliver writes some items. A request that the server refuses as a whole for what is in it is halved until the one at fault is found: nothing of
// such a request was written.
func (d *delivery) deliver(ctx context.Context, items []int) error {
	for attempt := 1; ; attempt++ {
		answers, err := d.post(ctx, items)
		var refused *ResponseError
		switch {
		case err == nil:
			if items, err = d.judge(items, answers); err != nil || len(items) == 0 {
				return err
			}
			err = d.rejection(items, answers)
		case errors.As(err, &refused) && (refused.Status == 400 || refused.Status == 413):
			if len(items) > 1 {
				half := len(items) / 2
				first, second := slices.Clone(items[:half]), slices.Clone(items[half:])
				if err := d.deliver(ctx, first); err != nil {
					return err
				}
				return d.deliver(ctx, second)
			}
			d.malformed(items[0], &itemError{Status: refused.Status, Type: refused.Type, Reason: refused.Reason})
			return nil
		}
		if ctx.Err() != nil || !retriable(err) {
			return err
		}
		if err := d.p.client.again(ctx, d.op, attempt, err); err != nil {
			return err
		}
	}
}

// bulkPath asks for the outcome of each document and nothing more.
const bulkPath = "/_bulk?filter_path=errors,items.*.status,items.*.error"

// itemAnswer is the server's for one document.
type itemAnswer struct {
	Status int `json:"status"`
	Error  *struct {
		Type     string     `json:"type"`
		Reason   string     `json:"reason"`
		CausedBy *errorNode `json:"caused_by"`
	} `json:"error"`
}

type errorNode struct {
	Type     string     `json:"type"`
	Reason   string     `json:"reason"`
	CausedBy *errorNode `json:"caused_by"`
}

// failure is the error in the answer, nil without one.
func (a *itemAnswer) failure() *itemError {
	if a.Error == nil {
		return nil
	}
	e := &itemError{Status: a.Status, Type: a.Error.Type, Reason: a.Error.Reason}
	for cause := a.Error.CausedBy; cause != nil; cause = cause.CausedBy {
		e.Causes = append(e.Causes, cause.Type)
		e.Reason += ": " + cause.Reason
	}
	return e
}

// post sends some items and returns an answer for each; none when all went well.
func (d *delivery) post(ctx context.Context, items []int) ([]itemAnswer, error) {
	r := &request{op: d.op, method: "POST", path: bulkPath, body: d.bulk.part(items)}
	if d.p.client.compress {
		packed, err := d.p.client.pack(d.bulk.gzip[:0], r.body)
		if err != nil {
			return nil, fmt.Errorf("compress a request: %w", err)
		}
		d.bulk.gzip, r.body, r.packed = packed, packed, true
	}
	a, err := d.p.client.do(ctx, r)
	if err != nil {
		return nil, err
	}
	return readAnswers(a.body, len(items))
}

var allWell = []byte(`{"errors":false`)

// readAnswers reads {"errors":true,"items":[{"index":{"status":201}},{"index":{"status":400,"error":{…}}},…]}; want is how many there must be.
func readAnswers(body []byte, want int) ([]itemAnswer, error) {
	if bytes.HasPrefix(body, allWell) {
		return nil, nil
	}
	var whole struct {
		Errors *bool                   `json:"errors"`
		Items  []map[string]itemAnswer `json:"items"`
	}
	if err := json.Unmarshal(body, &whole); err != nil {
		return nil, fmt.Errorf("read the answer to a bulk request: %w", err)
	}
	if whole.Errors == nil || len(whole.Items) != want {
		return nil, fmt.Errorf("the answer to a bulk request of %d documents holds %d: something between here and the server answers instead of it; check connection.url and proxy.host", want, len(whole.Items))
	}
	answers := make([]itemAnswer, want)
	for i, named := range whole.Items {
		for _, a := range named {
			answers[i] = a
		}
	}
	return answers, nil
}

// judge settles the items and returns those that are to be sent again: whom the server had no room for, and after each the later writes of its
// document that are not ordered by a version.
func (d *delivery) judge(items []int, answers []itemAnswer) (again []int, err error) {
	if answers == nil {
		d.written += len(items)
		return nil, nil
	}
	var repeated idSet
	for at, i := range items {
		it := &d.bulk.items[i]
		if !it.versioned && it.id != 0 && repeated.has(it.id) {
			again = append(again, i)
			continue
		}
		failure := answers[at].failure()
		switch {
		case failure == nil:
			d.written++
		case failure.Retriable() || failure.Status == 409 && failure.Type == conflictType && it.updates(d.p.cfg):
			again = append(again, i)
			if it.id != 0 {
				repeated.add(it.id)
			}
		default:
			if err := d.refused(i, failure); err != nil {
				return nil, err
			}
		}
	}
	return again, nil
}

// rejection is the error of the first item that is to be sent again.
func (d *delivery) rejection(items []int, answers []itemAnswer) error {
	for i := range answers {
		if failure := answers[i].failure(); failure != nil && (failure.Retriable() || failure.Type == conflictType) {
			return &rejectedError{count: len(items), err: failure}
		}
	}
	return &rejectedError{count: len(items), err: errors.New("no reason is given")}
}

// rejectedError says that the server had no room for some documents of a bulk.
type rejectedError struct {
	count int
	err   error
}

func (e *rejectedError) Error() string { return fmt.Sprintf("%d documents: %v", e.count, e.err) }
func (e *rejectedError) Unwrap() error { return e.err }

// Retriable is true.
func (e *rejectedError) Retriable() bool { return true }

const conflictType = "version_conflict_engine_exception"

// malformedTypes are the errors that are about what is in a document.
var malformedTypes = []string{
	"strict_dynamic_mapping_exception", "mapper_parsing_exception", "illegal_argument_exception", "action_request_validation_exception", "document_parsing_exception",
}

// updates tells an upsert: the server itself tries it again for a conflict, but not for ever.
func (it *item) updates(c *Config) bool {
	return c.WriteMethod == methodUpsert && !it.versioned && it.id != 0
}

// refused settles an item that the server refuses; the error ends the task.
func (d *delivery) refused(i int, failure *itemError) error {
	it := &d.bulk.items[i]
	switch {
	case failure.Type == conflictType && it.versioned: // the document is newer
		d.conflicts++
		if it.offset >= it.part.end {
			d.odd = it
		}
		return nil
	case failure.Type == conflictType && d.p.cfg.dataStreams(): // the record was delivered before
		d.conflicts++
		return nil
	case failure.Type == conflictType:
		d.leave(i, failure, true)
		return nil
	case slices.Contains(malformedTypes, failure.Type) || slices.ContainsFunc(failure.Causes, func(t string) bool { return slices.Contains(malformedTypes, t) }):
		d.malformed(i, failure)
		return nil
	}
	return d.errorOf(i, failure)
}

// malformed leaves a document out, as behavior.on.malformed.documents says.
func (d *delivery) malformed(i int, failure *itemError) {
	tolerated := d.p.cfg.OnMalformed != behaviourFail
	if d.p.cfg.OnMalformed == behaviourWarn {
		d.p.log.Warn("a document is left out (behavior.on.malformed.documents=warn)", "error", d.errorOf(i, failure))
	}
	d.leave(i, failure, tolerated)
}

// leave keeps an item for the worker, who is to be told before it counts as settled.
func (d *delivery) leave(i int, failure *itemError, tolerated bool) {
	it := &d.bulk.items[i]
	d.left[i] = true
	d.letters = append(d.letters, letter{it.part, it.number, it.record, d.errorOf(i, failure), tolerated})
}

func (d *delivery) errorOf(i int, failure *itemError) *RecordError {
	it := &d.bulk.items[i]
	return &RecordError{Topic: it.part.at.Topic, Partition: it.part.at.Partition, Offset: it.offset, Resource: it.resource.name, Err: failure,
		class: indexingException, message: "Indexing failed: " + failure.Error()}
}
