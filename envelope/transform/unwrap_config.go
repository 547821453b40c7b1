package transform

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/tandem-cdc/tandem/internal/config"
)

// deletes is delete.tombstone.handling.mode: what becomes of a delete and of the tombstone behind it.
type deletes string

const (
	deletesDrop              deletes = "drop"
	deletesTombstone         deletes = "tombstone"
	deletesRewrite           deletes = "rewrite"
	deletesRewriteTombstone  deletes = "rewrite-with-tombstone"
	deletesDeleteToTombstone deletes = "delete-to-tombstone"
)

func (d deletes) rewrites() bool { return d == deletesRewrite || d == deletesRewriteTombstone }

// unwrapConfig holds the options of ExtractNewRecordState.
type unwrapConfig struct {
	Deletes       deletes
	RouteBy       string
	FieldsPrefix  string
	Fields        []string
	HeadersPrefix string
	Headers       []string
	UseDefaults   bool

	DropHeader     string
	DropFromKey    bool
	DropCompatible bool

	// Options of Debezium 2.
	oldDeletes    string
	oldTombstones string
}

func defaultUnwrapConfig() unwrapConfig {
	return unwrapConfig{Deletes: deletesTombstone, FieldsPrefix: "__", HeadersPrefix: "__", UseDefaults: true, DropCompatible: true}
}

func (c *unwrapConfig) keys() config.Keys {
	return config.Keys{
		config.Enum(&c.Deletes, "delete.tombstone.handling.mode", "What becomes of a delete and the tombstone behind it. drop: neither is left. tombstone: the delete becomes the tombstone, and keeps the schema of its null value. "+
			"delete-to-tombstone: the same without a schema. rewrite: the delete becomes the row before it, with __deleted=true, and all other rows get __deleted=false. rewrite-with-tombstone: that, and the tombstone stays.",
			[]deletes{deletesDrop, deletesTombstone, deletesRewriteTombstone, deletesRewrite, deletesDeleteToTombstone}, config.Sized(config.WidthMedium, 1)),
		config.String(&c.RouteBy, "route.by.field", "Column whose text is the topic of the record; empty: the topic stays.", config.Rank(config.Low), config.Sized(config.WidthLong, 1)),
		config.String(&c.FieldsPrefix, "add.fields.prefix", "What the names of added fields begin with.", config.Rank(config.Low), config.Sized(config.WidthShort, 1)),
		config.List(&c.Fields, "add.fields", "Fields to add to the row: of the envelope (op, ts_ms …), of its transaction (id, total_order …), of source (all other names), or STRUCT.FIELD. "+
			"The new name is the prefix and FIELD or STRUCT_FIELD; FIELD:NAME gives another.", config.Rank(config.Low), config.Sized(config.WidthLong, 1)),
		config.String(&c.HeadersPrefix, "add.headers.prefix", "What the names of added headers begin with.", config.Rank(config.Low), config.Sized(config.WidthShort, 1)),
		config.List(&c.Headers, "add.headers", "Headers to add, written as add.fields. A tombstone only gets op.", config.Rank(config.Low), config.Sized(config.WidthLong, 1)),
		config.Bool(&c.UseDefaults, "replace.null.with.default", "Whether __deleted is added to a row in which the defaults of columns stand in place of nulls; only with the modes that rewrite.", config.Rank(config.Low), config.Unlisted()),
		config.String(&c.DropHeader, "drop.fields.header.name", "Header that lists fields to drop, such as header.unchanged.name of ExtractChangedRecordState.", config.Null(), config.Rank(config.Low), config.Sized(config.WidthShort, 1)),
		config.Bool(&c.DropFromKey, "drop.fields.from.key", "Whether they are dropped from the key too.", config.Rank(config.Low), config.Sized(config.WidthShort, 1)),
		config.Bool(&c.DropCompatible, "drop.fields.keep.schema.compatible", "Whether only fields that may be null are dropped.", config.Rank(config.Low), config.Sized(config.WidthShort, 1)),
		config.String(&c.oldDeletes, "delete.handling.mode", "Option of Debezium 2 (drop, none or rewrite), read as the delete.tombstone.handling.mode that does the same, with a warning.", config.Null(), config.Rank(config.Low),
			config.Check(oneOf("drop", "none", "rewrite")), config.Unlisted()),
		config.String(&c.oldTombstones, "drop.tombstones", "Option of Debezium 2 (true or false), read like delete.handling.mode.", config.Null(), config.Rank(config.Low), config.Check(oneOf("true", "false")), config.Unlisted()),
	}
}

func oneOf(values ...string) func(string) error {
	return func(text string) error {
		for _, v := range values {
			if strings.EqualFold(v, text) {
				return nil
			}
		}
		return fmt.Errorf("want one of %s", strings.Join(values, ", "))
	}
}

// takeOld reads the options of Debezium 2 as its manual for the change to 3 translates them.
func (c *unwrapConfig) takeOld(props map[string]string, r *config.Report) {
	const mode = "delete.tombstone.handling.mode"
	_, given := props[mode]
	for _, old := range []string{"delete.handling.mode", "drop.tombstones"} {
		if _, there := props[old]; there && given {
			r.Warn(old, "Option %q is of Debezium 2 and has no effect beside %q.", old, mode)
		}
	}
	if given || c.oldDeletes == "" && c.oldTombstones == "" {
		return
	}
	keep := strings.EqualFold(c.oldTombstones, "false")
	switch rewrites := strings.EqualFold(c.oldDeletes, "rewrite"); {
	case rewrites && keep:
		c.Deletes = deletesRewriteTombstone
	case rewrites:
		c.Deletes = deletesRewrite
	case keep || strings.EqualFold(c.oldDeletes, "none"):
		c.Deletes = deletesTombstone
	default:
		c.Deletes = deletesDrop
	}
	for _, old := range []string{"delete.handling.mode", "drop.tombstones"} {
		if _, there := props[old]; there {
			r.Warn(old, "Option %q is of Debezium 2; it is read as %s=%s, which says what both old options say together.", old, mode, c.Deletes)
		}
	}
}

// reference names a field of the envelope that is added to the row or to the headers.
type reference struct {
	of    string // struct of the envelope; "" is the envelope
	field string
	name  string // of the new field
}

// parseReferences reads add.fields and add.headers.
func parseReferences(option, prefix string, list []string, r *config.Report) []reference {
	var refs []reference
	for _, item := range list {
		if item == "" {
			continue
		}
		path, name, renamed := strings.Cut(item, ":")
		parts := strings.Split(path, ".")
		if len(parts[0]) == 0 || len(parts) > 1 && len(parts[1]) == 0 || strings.Contains(name, ":") {
			r.Fail(option, "Invalid value %s for configuration %s: %s is no FIELD, STRUCT.FIELD or FIELD:NAME", strings.Join(list, ","), option, strconv.Quote(item))
			continue
		}
		ref := reference{field: parts[0], of: structOfField(parts[0])}
		ref.name = ref.field
		if len(parts) > 1 {
			ref.of, ref.field = parts[0], parts[1]
			ref.name = ref.of + "_" + ref.field
		}
		if renamed && name != "" {
			ref.name = name
		}
		ref.name = prefix + ref.name
		refs = append(refs, ref)
	}
	return refs
}

// structOfField is the struct in which a field is looked for when none is named.
func structOfField(field string) string {
	switch field {
	case "id", "data_collection_order", "total_order":
		return fieldTransaction
	case fieldOp, fieldMillis, "ts_us", "ts_ns":
		return ""
	}
	return fieldSource
}
