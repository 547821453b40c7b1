package envelope

import (
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/internal/javaregex"
)

// Groups of the documentation, as Debezium's definition names them.
const (
	groupConnector  = "CONNECTOR"
	groupConnection = "CONNECTION_ADVANCED"
	groupExpert     = "CONNECTOR_ADVANCED"
	groupAdvanced   = "ADVANCED"
	groupFilters    = "FILTERS"
	groupHeartbeat  = "ADVANCED_HEARTBEAT"
)

// Names that are also needed outside of their definition.
const (
	keyTopicRegex       = "topic.regex"
	keyTopicReplacement = "topic.replacement"
	keyFieldRegex       = "topic.key.field.regex"
	keyFieldReplacement = "topic.key.field.replacement"
	keyFieldNames       = "field.name.adjustment.mode"
)

var (
	topicCharacters = regexp.MustCompile(`[a-zA-Z0-9_.\-]+`)
	keyColumnsEntry = regexp.MustCompile(`^\s*([^:]+):([^:,]+(,[^:,]+)*)\s*$`)
	maskWith        = regexp.MustCompile(`column\.mask\.with\.(\d+)\.chars`)
	truncateTo      = regexp.MustCompile(`column\.truncate\.to\.(\d+)\.chars`)
	hashV1          = regexp.MustCompile(`column\.mask\.hash\.([^.]+)\.with\.salt\.(.+)`)
	hashV2          = regexp.MustCompile(`column\.mask\.hash\.v2\.([^.]+)\.with\.salt\.(.+)`)
)

// Keys defines the options that shape records; the fields of c hold the defaults and receive what is parsed.
// Complete must follow parsing: it checks what concerns several options.
func (c *Config) Keys() config.Keys {
	return slices.Concat(c.topicKeys(), c.valueKeys(), c.eventKeys(), c.columnKeys(), c.mapperKeys())
}

func (c *Config) topicKeys() config.Keys {
	naming := config.Enum(&c.NamingStrategy, "topic.naming.strategy",
		"How topics are named: prefix.schema.table (SchemaTopicNamingStrategy) or prefix.table (DefaultTopicNamingStrategy), or these rewritten by topic.regex and topic.replacement (SchemaRegexTopicNamingStrategy, DefaultRegexTopicNamingStrategy). SchemaUnicodeTopicNamingStrategy and DefaultUnicodeTopicNamingStrategy write characters that topics cannot hold, and underscores, as _u and their code instead of an underscore.",
		[]string{namingBySchema, namingDefault, namingBySchemaRegex, namingByRegex, namingBySchemaUnicode, namingByUnicode}, config.Group(groupConnector), config.ClassName("Java classes cannot be loaded; choose one of the six strategies"))
	return config.Keys{
		config.String(&c.TopicPrefix, "topic.prefix",
			"Namespace of this connector: the first part of all its topic and schema names, and its name in source blocks and offsets. Changing it starts over.",
			config.Required(), config.Check(checkTopicPrefix), config.Rank(config.High), config.Group(groupConnector), config.Alias("database.server.name")),
		naming,
		config.String(&c.Delimiter, "topic.delimiter", "What stands between the parts of a topic name.", config.Group(groupExpert)),
		config.String(&c.TopicRegex, keyTopicRegex, "Regular expression on whole topic names, for the regex naming strategies.",
			config.Null(), config.Check(checkPattern), config.Group(groupExpert)),
		config.String(&c.TopicReplacement, keyTopicReplacement, "Name of the topics that topic.regex matches; $1 is its first group.",
			config.Null(), config.Group(groupExpert)),
		config.Bool(&c.KeyUnique, "topic.key.enforce.uniqueness", "Add the topic before rewriting to the keys, for tables of one topic may share keys.", config.Group(groupExpert)),
		config.String(&c.KeyField, "topic.key.field.name", "Name of the field that topic.key.enforce.uniqueness adds.", config.Group(groupExpert)),
		config.String(&c.KeyFieldRegex, "topic.key.field.regex", "Regular expression on whole topic names, to shorten what that field holds.",
			config.Null(), config.Check(checkPattern), config.Group(groupExpert)),
		config.String(&c.KeyFieldReplacement, "topic.key.field.replacement", "What the field holds for topics that topic.key.field.regex matches; $1 is its first group.",
			config.Null(), config.Group(groupExpert)),
		config.String(&c.HeartbeatPrefix, "topic.heartbeat.prefix", "First part of the heartbeat topic; topic.prefix follows.",
			config.Rank(config.Low), config.Group(groupHeartbeat)),
		config.String(&c.HeartbeatTopic, "topic.heartbeat.name", "Whole name of the heartbeat topic, instead of one made from topic.heartbeat.prefix.",
			config.Null(), config.Rank(config.Low), config.Group(groupHeartbeat)),
		config.String(&c.TransactionTopic, "topic.transaction", "Last part of the name of the topic of transaction records; topic.prefix stands before it.",
			config.Rank(config.Low), config.Group(groupExpert)),
		config.Enum(&c.SchemaNames, "schema.name.adjustment.mode",
			"What becomes of characters in schema names that Avro does not allow: kept (none), replaced by an underscore (avro), or written as _uXXXX (avro_unicode).",
			[]Adjustment{AdjustNone, AdjustAvro, AdjustAvroUnicode}, config.Rank(config.Low), config.Group(groupConnector)),
		config.Enum(&c.FieldNames, keyFieldNames,
			"What becomes of characters in field names that Avro does not allow: kept (none), replaced by an underscore (avro), or written as _uXXXX (avro_unicode). Without it, avro when this connector's own converters are Avro converters.",
			[]Adjustment{AdjustNone, AdjustAvro, AdjustAvroUnicode}, config.Rank(config.Low), config.Group(groupConnector)),
	}
}

// checkTopicPrefix says it in Debezium's words.
func checkTopicPrefix(text string) error {
	if topicCharacters.FindString(text) != text || text == "" {
		return fmt.Errorf("%s has invalid format (only the underscore, hyphen, dot and alphanumeric characters are allowed)", text)
	}
	return nil
}

func (c *Config) valueKeys() config.Keys {
	money := config.Int(&c.MoneyDigits, "money.fraction.digits", "Digits after the decimal point of money values.", 0, 32767, config.Group(groupConnector))
	money.Type = config.TypeShort
	return config.Keys{
		config.Enum(&c.Decimals, "decimal.handling.mode",
			"How numeric and money values are written: exact (precise), as floating point numbers (double), or as text (string).",
			[]Decimals{DecimalsPrecise, DecimalsDouble, DecimalsString}, config.Group(groupConnector)),
		config.Enum(&c.Times, "time.precision.mode",
			"How dates, times and timestamps are written: by the column's precision (adaptive; adaptive_time_microseconds has all times in microseconds), as Kafka Connect's types in milliseconds (connect), as ISO 8601 text (isostring), in micro- or nanoseconds, or as a struct of their parts (structured).",
			[]Times{TimesAdaptive, TimesAdaptiveMicro, TimesConnect, TimesISO, TimesMicro, TimesNano, TimesStructured}, config.Group(groupConnector)),
		config.Enum(&c.Intervals, "interval.handling.mode",
			"How interval values are written: in microseconds with months of average length (numeric), or as ISO 8601 text (string).",
			[]Intervals{IntervalsNumeric, IntervalsString}, config.Rank(config.Low), config.Group(groupConnector)),
		config.Enum(&c.HStores, "hstore.handling.mode", "How hstore values are written: as JSON text (json), or as a map (map).",
			[]HStores{HStoresJSON, HStoresMap}, config.Rank(config.Low), config.Group(groupConnector)),
		config.Enum(&c.Binaries, "binary.handling.mode", "How bytea values are written: as bytes, or as text in base64, base64-url-safe or hex.",
			[]Binaries{BinariesBytes, BinariesBase64, BinariesBase64URL, BinariesHex}, config.Rank(config.Low), config.Group(groupConnector)),
		money,
		config.Bool(&c.UnknownTypes, "include.unknown.datatypes",
			"Write columns of types without a form of their own as binary.handling.mode of their text, instead of leaving them out.", config.Group(groupExpert)),
		config.String(&c.Placeholder, "unavailable.value.placeholder",
			"What stands for a large value that an update did not touch and the server therefore did not send; after hex: the bytes in hexadecimal.",
			config.Group(groupConnector), config.Alias("toasted.value.placeholder")),
		config.Enum(&c.OnFailure, "event.converting.failure.handling.mode",
			"What becomes of a value that its column's schema cannot hold: the task fails (fail), or null is written, with a warning (warn) or without (skip).",
			[]OnFailure{FailureWarn, FailureFail, FailureSkip}, config.Group(groupConnector)),
	}
}

func (c *Config) eventKeys() config.Keys {
	return config.Keys{
		config.Bool(&c.Tombstones, "tombstones.on.delete", "Follow every delete by a record with a null value, so that compaction removes the key.", config.Group(groupConnector), config.Twice()),
		config.List(&c.SkippedOps, "skipped.operations",
			"Operations that are not published: c (insert), u (update), d (delete), t (truncate), r (snapshot, without effect), or none.",
			config.Check(checkSkipped), config.Rank(config.Low), config.Group(groupConnector)),
		config.Bool(&c.SkipUnchanged, "skip.messages.without.change",
			"Leave out updates that change no included column; needs REPLICA IDENTITY FULL.", config.Group(groupConnection), config.Twice()),
		config.Bool(&c.Headers, "extended.headers.enabled", "Put headers on data records that name the connector, its task and its run.",
			config.Rank(config.Low), config.Group(groupAdvanced), config.Twice()),
		config.Bool(&c.TransactionMetadata, "provide.transaction.metadata",
			"Publish BEGIN and END of transactions with counts, and say in each data record where in its transaction it stands.",
			config.Rank(config.Low), config.Group(groupExpert)),
		config.List(&c.MessageInclude, "message.prefix.include.list", "Regular expressions on the prefixes of logical decoding messages to publish; all without it.",
			config.Null(), config.Check(checkPatterns), config.Group(groupConnector)),
		config.List(&c.MessageExclude, "message.prefix.exclude.list", "Regular expressions on the prefixes of logical decoding messages not to publish.",
			config.Null(), config.Check(checkPatterns), config.Group(groupConnector)),
	}
}

func (c *Config) columnKeys() config.Keys {
	keyColumns := config.String(new(string), "message.key.columns",
		"Columns that make the record key instead of the primary key: table:column,column entries separated by semicolons; table is a regular expression on schema.table.",
		config.Null(), config.Group(groupExpert), config.Check(func(text string) error {
			rules, err := parseKeyRules(text)
			c.KeyColumns = rules
			return err
		}))
	return config.Keys{
		config.List(&c.ColumnInclude, "column.include.list", "Regular expressions on schema.table.column of the columns to publish; all without it. Keys are not affected.",
			config.Null(), config.Check(checkPatterns), config.Group(groupFilters), config.Alias("column.whitelist")),
		config.List(&c.ColumnExclude, "column.exclude.list", "Regular expressions on schema.table.column of the columns not to publish. Keys are not affected.",
			config.Null(), config.Check(checkPatterns), config.Group(groupFilters), config.Alias("column.blacklist")),
		keyColumns,
	}
}

func (c *Config) mapperKeys() config.Keys {
	const onColumns = " Value: regular expressions on schema.table.column."
	expert, checked := config.Group(groupExpert), config.Check(checkPatterns)
	return config.Keys{
		config.List(&c.PropagateType, "column.propagate.source.type",
			"Regular expressions on schema.table.column of columns whose type, length, scale and name are added to the schema as parameters.", config.Null(), checked, expert),
		config.List(&c.PropagateData, "datatype.propagate.source.type",
			"Regular expressions on schema.table.type of types whose columns carry their type, length, scale and name as parameters.", config.Null(), checked, expert),
		config.Family(truncateTo, "column.truncate.to.<length>.chars", config.TypeList, "Cuts text and bytes to the length."+onColumns,
			ruleCollector(truncateTo, &c.Truncate), expert),
		config.Family(maskWith, "column.mask.with.<length>.chars", config.TypeList, "Replaces text by that many asterisks."+onColumns,
			ruleCollector(maskWith, &c.Mask), expert),
		config.Family(hashV2, "column.mask.hash.v2.<algorithm>.with.salt.<salt>", config.TypeList,
			"Replaces text by the hexadecimal digest of salt and text, cut to the column's length."+onColumns, hashCollector(hashV2, true, &c.Hash), expert),
		config.Family(hashV1, "column.mask.hash.<algorithm>.with.salt.<salt>", config.TypeList,
			"Replaces text by the hexadecimal digest of salt and the text's Java serialisation, cut to the column's length."+onColumns,
			hashCollector(hashV1, false, &c.Hash), expert),
	}
}

// Complete checks what concerns several options and settles field.name.adjustment.mode from the converters that props name.
func (c *Config) Complete(props map[string]string, r *config.Report) {
	r.Exclusive(props, "column.include.list", "column.exclude.list")
	r.Exclusive(props, "message.prefix.include.list", "message.prefix.exclude.list")
	if _, err := placeholderBytes(c.Placeholder); err != nil {
		r.Warn("unavailable.value.placeholder", "Option \"unavailable.value.placeholder\"=%q will stop the connector at its start: %v.", c.Placeholder, err)
	}
	if topicCharacters.FindString(c.Delimiter) != c.Delimiter || c.Delimiter == "" {
		r.Warn("topic.delimiter", "Option \"topic.delimiter\"=%q will stop the connector at its start: only the underscore, hyphen, dot and alphanumeric characters are allowed.", c.Delimiter)
	}
	if _, given := props[keyFieldNames]; !given && (isAvroConverter(props["key.converter"]) || isAvroConverter(props["value.converter"])) {
		c.FieldNames = AdjustAvro
	}
	if c.byRegex() {
		completeRegex(r, keyTopicRegex, c.TopicRegex, keyTopicReplacement, c.TopicReplacement, true)
		completeRegex(r, keyFieldRegex, c.KeyFieldRegex, keyFieldReplacement, c.KeyFieldReplacement, false)
	}
}

// completeRegex checks an expression and its replacement against each other.
func completeRegex(r *config.Report, regexKey, regex, replacementKey, replacement string, required bool) {
	switch {
	case regex == "" && required:
		r.Fail(regexKey, "Invalid value for configuration %s: the naming strategy needs it", regexKey)
	case replacement == "" && (required || regex != ""):
		r.Fail(replacementKey, "Invalid value for configuration %s: %s must be non-empty if %s is set.", replacementKey, replacementKey, regexKey)
	case regex != "":
		re, err := compilePattern(regex, false)
		if err != nil {
			return // reported at the expression already
		}
		if err := re.CheckReplacement(replacement); err != nil {
			r.Fail(replacementKey, "Invalid value %s for configuration %s: %v", replacement, replacementKey, err)
		}
	}
}

func isAvroConverter(class string) bool {
	return class == "io.confluent.connect.avro.AvroConverter" || class == "io.apicurio.registry.utils.converter.AvroConverter"
}

func checkPattern(text string) error {
	_, err := compilePattern(text, true)
	return err
}

func checkPatterns(text string) error {
	for _, expr := range config.SplitList(text) {
		if _, err := javaregex.Compile(expr, true); err != nil {
			return config.Complain("A comma-separated list of valid regular expressions is expected, but %v", err)
		}
	}
	return nil
}

func checkSkipped(text string) error {
	ops := config.SplitList(text)
	if len(ops) == 0 {
		return config.Complain("Invalid operation")
	}
	for _, op := range ops {
		switch op {
		case "c", "u", "d", "t", "r":
		case "none":
			if len(ops) > 1 {
				return errors.New("'none' cannot be specified with other skipped operation types")
			}
		default:
			return config.Complain("Invalid operation")
		}
	}
	return nil
}

// parseKeyRules reads message.key.columns.
func parseKeyRules(text string) ([]KeyRule, error) {
	var rules []KeyRule
	var errs []error
	if text == "" {
		errs = append(errs, config.Complain("Must not be empty"))
	}
	for entry := range strings.SplitSeq(strings.TrimRight(text, ";"), ";") {
		m := keyColumnsEntry.FindStringSubmatch(entry)
		if m == nil {
			errs = append(errs, fmt.Errorf("%s has an invalid format (expecting '%s')", entry, keyColumnsEntry))
			continue
		}
		rule := KeyRule{Tables: strings.TrimSpace(m[1])}
		for column := range strings.SplitSeq(m[2], ",") {
			rule.Columns = append(rule.Columns, strings.TrimSpace(column))
		}
		for _, expr := range append([]string{rule.Tables}, rule.Columns...) {
			if err := checkPattern(expr); err != nil {
				errs = append(errs, err)
			}
		}
		rules = append(rules, rule)
	}
	return rules, errors.Join(errs...)
}

// placeholderBytes is the stand-in for unchanged TOAST values as bytes.
func placeholderBytes(text string) ([]byte, error) {
	digits, isHex := strings.CutPrefix(text, "hex:")
	if !isHex {
		return []byte(text), nil
	}
	b, err := hex.DecodeString(digits)
	if err != nil {
		return nil, fmt.Errorf("after hex: want hexadecimal octets: %w", err)
	}
	return b, nil
}

func ruleCollector(re *regexp.Regexp, dst *[]ColumnRule) func(name, text string) error {
	return func(name, text string) error {
		n, err := strconv.ParseInt(re.FindStringSubmatch(name)[1], 10, 32)
		if err != nil {
			return errors.New("the length in its name is too large")
		}
		if err := checkPatterns(text); err != nil {
			return err
		}
		*dst = append(*dst, ColumnRule{Columns: config.SplitList(text), N: int(n)})
		return nil
	}
}

func hashCollector(re *regexp.Regexp, v2 bool, dst *[]HashRule) func(name, text string) error {
	return func(name, text string) error {
		m := re.FindStringSubmatch(name)
		if _, err := newDigest(m[1]); err != nil {
			return err
		}
		if err := checkPatterns(text); err != nil {
			return err
		}
		*dst = append(*dst, HashRule{Columns: config.SplitList(text), Algorithm: m[1], Salt: m[2], V2: v2})
		return nil
	}
}
