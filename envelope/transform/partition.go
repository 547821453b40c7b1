package transform

import (
	"errors"
	"log/slog"
	"math"
	"slices"
	"strings"

	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/schema"
)

// partitionConfig holds the options of PartitionRouting.
type partitionConfig struct {
	Fields     []string
	Partitions int
	Hash       string
}

func defaultPartitionConfig() partitionConfig { return partitionConfig{Hash: "java"} }

func (c *partitionConfig) keys() config.Keys {
	return config.Keys{
		config.List(&c.Fields, "partition.payload.fields", "Fields of the envelope, such as after.id or source.table, of whose values the partition is computed; change.NAME is before.NAME of a delete and after.NAME of all else. "+
			"Fields that a record does not have are left out; a record that has none of them keeps its partition.", config.Required(), config.Rank(config.High), config.Check(func(text string) error {
			if slices.Contains(config.SplitList(text), "") {
				return errors.New("an element is empty")
			}
			return nil
		}), config.Sized(config.WidthNone, 1), config.Group("partitions"), config.Lenient()),
		config.Int(&c.Partitions, "partition.topic.num", "How many partitions the topic has.", 1, math.MaxInt32, config.Required(), config.Rank(config.High), config.Sized(config.WidthNone, 2), config.Group("partitions"), config.Lenient()),
		config.String(&c.Hash, "partition.hash.function", "java (hashCode of the values) or murmur; any other word is java.", config.Rank(config.Low), config.Sized(config.WidthNone, 3), config.Group("partitions")),
	}
}

// partitionRouting is io.debezium.transforms.partitions.PartitionRouting.
type partitionRouting struct {
	partitionConfig
	paths [][]string
	hash  func(schema.Value, *schema.Schema) int32
}

func newPartitionRouting(props map[string]string, _ *slog.Logger) (Transform, config.Report) {
	t := &partitionRouting{partitionConfig: defaultPartitionConfig(), hash: javaHash}
	r := t.keys().Parse(props)
	if len(r.Errors) > 0 {
		return nil, r
	}
	for _, field := range t.Fields {
		path := strings.Split(field, ".")
		for i := range path {
			path[i] = strings.TrimSpace(path[i])
		}
		t.paths = append(t.paths, path)
	}
	if strings.EqualFold(t.Hash, "murmur") {
		t.hash = murmurHash
	}
	return t, r
}

// Apply implements Transform.
func (t *partitionRouting) Apply(r *schema.Record) (bool, error) {
	if r.Value.IsNull() || !isEnvelope(r.ValueSchema) {
		return true, nil
	}
	e, err := structOf(r.Value, "read the envelope")
	if err != nil {
		return false, err
	}
	op := e.Field(fieldOp).Text()
	if op == opTruncate || op == opMessage {
		return true, nil
	}
	var sum int32
	found := false
	for _, path := range t.paths {
		if v, s := follow(e, path, op); !v.IsNull() {
			sum += t.hash(v, s)
			found = true
		}
	}
	if !found {
		return true, nil
	}
	n := sum & math.MaxInt32
	if n == math.MaxInt32 {
		n = 0
	}
	r.Partition = n % int32(t.Partitions)
	return true, nil
}

// follow finds the value at a path; null when there is none.
func follow(e *schema.StructValue, path []string, op string) (schema.Value, *schema.Schema) {
	at := e
	for i, name := range path {
		last := i == len(path)-1
		if name == "change" && !last {
			name = fieldAfter
			if op == opDelete {
				name = fieldBefore
			}
		}
		f := at.Schema.Field(name)
		if f < 0 {
			return schema.NullValue, nil
		}
		if last {
			return get(at, f), at.Schema.Fields[f].Schema
		}
		if at = at.Values[f].Struct(); at == nil {
			return schema.NullValue, nil
		}
	}
	return schema.NullValue, nil
}
