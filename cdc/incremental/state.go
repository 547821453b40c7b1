package incremental

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/internal/java"
)

// Collection is a table that waits for its snapshot.
type Collection struct {
	ID            string // schema.table
	Condition     string // of the WHERE; "" for none
	SurrogateKey  string // column that orders the rows instead of the key; "" for none
	CorrelationID string // of the signal that asked for it; "" for none
}

// State is what a source offset keeps of an incremental snapshot. It never changes: every step makes another one, and positions share them.
//
// Invariants:
//  1. There is a State as long as a table waits, and none (nil) else.
//  2. Last is the key of the last row that was published, in the order of chunks. Rows up to it are behind every position with the State.
type State struct {
	*Plan
	last    []cdc.Datum
	hasLast bool
	rows    bool // the position is one of rows: it stands between those of a chunk
}

// Plan is what the States of a table at hand share.
type Plan struct {
	Collections []Collection // the first is at hand
	Correlation string       // of the last signal; "" is null
	Total       int64        // rows of the table at hand; negative when unknown
	// Completed tells that this run has completed a snapshot of another kind: Debezium's rows then say so.
	Completed bool

	columns []KeyColumn
	maximum string // of the table at hand, serialised; "" is null
	// behind is the key that the run before had published up to, serialised, as long as this run has published no row: Debezium
	// forgets it then and would read the table again from its start, after another restart.
	behind string
}

// With is the plan with other tables waiting, the one at hand being the same.
func (p *Plan) With(waiting []Collection, correlation string) *Plan {
	next := *p
	next.Collections, next.Correlation = waiting, correlation
	return &next
}

// NewPlan is a plan of which no table is at hand yet.
func NewPlan(waiting []Collection, correlation string, completed bool) *Plan {
	return &Plan{Collections: waiting, Correlation: correlation, Total: -1, Completed: completed}
}

// Table completes the plan with the key of the table at hand: the columns that order it, the largest key, how many rows there are.
func (p *Plan) Table(columns []KeyColumn, maximum Key, total int64) *Plan {
	next := *p
	next.columns, next.maximum, next.Total = columns, Serialize(columns, maximum), total
	return &next
}

// Resumed completes a stored plan with the columns of its table, now that they are known.
func (p *Plan) Resumed(columns []KeyColumn) *Plan {
	next := *p
	next.columns = columns
	return &next
}

// Maximum is the largest key of the table at hand; nil when it is not known.
func (p *Plan) Maximum() (Key, error) {
	if p.maximum == "" {
		return nil, nil
	}
	return Deserialize(p.columns, p.maximum)
}

// Stored is the key that the run before had published up to; nil without.
func (p *Plan) Stored() (Key, error) {
	if p.behind == "" {
		return nil, nil
	}
	return Deserialize(p.columns, p.behind)
}

// State is the state before a row of this run's was published.
func (p *Plan) State() *State { return &State{Plan: p} }

// Behind is the state behind a row. While rows are published they are marked as such.
func (p *Plan) Behind(last Key, rows bool) State {
	return State{Plan: p, last: last, hasLast: last != nil, rows: rows}
}

// Names of the fields in an offset.
const (
	fieldCollections = "incremental_snapshot_collections"
	fieldCorrelation = "incremental_snapshot_correlation_id"
	fieldMaximum     = "incremental_snapshot_maximum_key"
	fieldLast        = "incremental_snapshot_primary_key"
	fieldTotal       = "incremental_snapshot_total_rows"
	// fieldBehind is a field of our own; see Plan.behind.
	fieldBehind = "tandem_incremental_snapshot_behind"
)

// AppendJSON appends the fields of an offset, each with a comma before it, sorted by name; those of a row's offset are marked as Debezium's.
func (s *State) AppendJSON(dst []byte) []byte {
	dst = append(dst, `,"`+fieldCollections+`":`...)
	dst = java.AppendText(dst, appendCollections(nil, s.Collections), false)
	dst = append(dst, `,"`+fieldCorrelation+`":`...)
	dst = appendTextOrNull(dst, s.Correlation)
	dst = append(dst, `,"`+fieldMaximum+`":"`...)
	if s.maximum == "" {
		dst = append(dst, Serialize(nil, nil)...)
	}
	dst = append(dst, s.maximum...)
	dst = append(dst, `","`+fieldLast+`":"`...)
	if s.hasLast {
		dst = append(dst, Serialize(s.columns, s.last)...)
	} else {
		dst = append(dst, Serialize(nil, nil)...)
	}
	dst = append(dst, '"')
	if s.Total >= 0 {
		dst = append(dst, `,"`+fieldTotal+`":"`...)
		dst = append(strconv.AppendInt(dst, s.Total, 10), '"')
	}
	if s.rows {
		done := strconv.FormatBool(s.Completed)
		dst = append(dst, `,"last_snapshot_record":`+done+`,"snapshot":"INCREMENTAL","snapshot_completed":`+done...)
	}
	if !s.hasLast && s.behind != "" {
		dst = append(dst, `,"`+fieldBehind+`":"`...)
		dst = append(append(dst, s.behind...), '"')
	}
	return dst
}

// appendCollections prints the list as Debezium does. A condition stands in parentheses, those of a stored one in further ones.
func appendCollections(dst []byte, list []Collection) []byte {
	dst = append(dst, '[')
	for i := range list {
		c := &list[i]
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = java.AppendText(append(dst, `{"incremental_snapshot_collections_id":`...), c.ID, false)
		dst = append(dst, `,"incremental_snapshot_collections_additional_condition":`...)
		condition := c.Condition
		if condition != "" {
			condition = "(" + condition + ")"
		}
		dst = appendTextOrNull(dst, condition)
		dst = appendTextOrNull(append(dst, `,"incremental_snapshot_collections_surrogate_key":`...), c.SurrogateKey)
		dst = appendTextOrNull(append(dst, `,"incremental_snapshot_collections_correlation_id":`...), c.CorrelationID)
		dst = append(dst, '}')
	}
	return append(dst, ']')
}

// StoredState is the part of a stored offset that concerns incremental snapshots.
type StoredState struct {
	Collections *string `json:"incremental_snapshot_collections"`
	Correlation *string `json:"incremental_snapshot_correlation_id"`
	Maximum     *string `json:"incremental_snapshot_maximum_key"`
	Last        *string `json:"incremental_snapshot_primary_key"`
	Total       *string `json:"incremental_snapshot_total_rows"`
	Behind      *string `json:"tandem_incremental_snapshot_behind"`
	Completed   bool    `json:"-"`
}

// State makes the state to go on from; nil when no table waits.
func (s *StoredState) State() (*State, error) {
	if s.Collections == nil {
		return nil, nil
	}
	var stored []struct {
		ID           string  `json:"incremental_snapshot_collections_id"`
		Condition    *string `json:"incremental_snapshot_collections_additional_condition"`
		SurrogateKey *string `json:"incremental_snapshot_collections_surrogate_key"`
		Correlation  *string `json:"incremental_snapshot_collections_correlation_id"`
	}
	if err := json.Unmarshal([]byte(*s.Collections), &stored); err != nil {
		return nil, fmt.Errorf("field %q: %w", fieldCollections, err)
	}
	if len(stored) == 0 {
		return nil, nil
	}
	p := &Plan{Total: -1, Correlation: orEmpty(s.Correlation), Completed: s.Completed}
	for _, c := range stored {
		if c.ID == "" {
			return nil, fmt.Errorf("field %q: a table without a name", fieldCollections)
		}
		p.Collections = append(p.Collections, Collection{c.ID, orEmpty(c.Condition), orEmpty(c.SurrogateKey), orEmpty(c.Correlation)})
	}
	none := Serialize(nil, nil)
	if p.maximum = orEmpty(s.Maximum); p.maximum == none {
		p.maximum = ""
	}
	if p.behind = orEmpty(s.Last); p.behind == "" || p.behind == none {
		p.behind = orEmpty(s.Behind)
	}
	if s.Total != nil {
		n, err := strconv.ParseInt(*s.Total, 10, 64)
		if err != nil || n < 0 {
			return nil, fmt.Errorf("field %q: %q is no count", fieldTotal, *s.Total)
		}
		p.Total = n
	}
	return p.State(), nil
}

func orEmpty(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func appendTextOrNull(dst []byte, s string) []byte {
	if s == "" {
		return append(dst, "null"...)
	}
	return java.AppendText(dst, s, false)
}
