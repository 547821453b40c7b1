package envelope

import (
	"math/big"

	"github.com/tandem-cdc/tandem/schema"
)

// scratch is what writing values needs besides their text; one per Encoder, reused for every value.
type scratch struct {
	buf     []byte // the value as it is handed to the Writer
	element []byte // one unescaped array element; its own, for elements use buf
	flat    []byte // unescaped texts of an hstore
	pairs   []pair // entries of an hstore or a sparsevec, as they came
	order   []pair // and in the order of a Java HashMap
	counts  []int
	numbers []float64 // of a geometric value or a vector
	big     big.Int
	caught  catcher
	// snapshot tells that the value comes from a SELECT: Debezium reads some types through JDBC there, with other results than
	// from the stream.
	snapshot bool
}

// writeFunc writes one column value, given as PostgreSQL text, to w: exactly one value, or nothing and an error when the schema
// cannot hold it. It is chosen once per relation and called once per value; it must not keep text.
type writeFunc func(s *scratch, text []byte, w schema.Writer) error

// writeText is the writeFunc of everything that is its own text.
func writeText(_ *scratch, text []byte, w schema.Writer) error {
	w.Text(text)
	return nil
}

// build runs write and returns the value it wrote for a place of the schema.
func build(s *schema.Schema, write func(w schema.Writer) error) (schema.Value, error) {
	b := schema.NewBuilder(s)
	if err := write(b); err != nil {
		return schema.NullValue, err
	}
	return b.Value(), b.Err()
}

// discard is the Writer that only looks whether a value can be written.
type discard struct{}

func (discard) Null()           {}
func (discard) Bool(bool)       {}
func (discard) Int(int64)       {}
func (discard) Float32(float32) {}
func (discard) Float64(float64) {}
func (discard) Text([]byte)     {}
func (discard) String(string)   {}
func (discard) Bytes([]byte)    {}
func (discard) BeginStruct()    {}
func (discard) EndStruct()      {}
func (discard) BeginArray(int)  {}
func (discard) EndArray()       {}
func (discard) BeginMap(int)    {}
func (discard) EndMap()         {}
func (discard) Err() error      { return nil }
