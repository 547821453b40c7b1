package s3

import (
	"fmt"
	"math"
	"regexp"
	"strings"
	"time"

	"github.com/tandem-cdc/tandem/internal/config"
)

// Java classes that options name.
const (
	Class     = "io.confluent.connect.s3.S3SinkConnector"
	TaskClass = "io.confluent.connect.s3.S3SinkTask"
	Version   = "12.0.0" // of the connector whose options these are

	storageClass = "io.confluent.connect.s3.storage.S3Storage"

	avroFormat    = "io.confluent.connect.s3.format.avro.AvroFormat"
	jsonFormat    = "io.confluent.connect.s3.format.json.JsonFormat"
	parquetFormat = "io.confluent.connect.s3.format.parquet.ParquetFormat"
	bytesFormat   = "io.confluent.connect.s3.format.bytearray.ByteArrayFormat"

	partitioners       = "io.confluent.connect.storage.partitioner."
	defaultPartitioner = partitioners + "DefaultPartitioner"
	fieldPartitioner   = partitioners + "FieldPartitioner"
	timePartitioner    = partitioners + "TimeBasedPartitioner"
	hourlyPartitioner  = partitioners + "HourlyPartitioner"
	dailyPartitioner   = partitioners + "DailyPartitioner"
)

// Timestamp extractors. Each has a class name too.
const (
	wallclock   = "Wallclock"
	recordTime  = "Record"
	recordField = "RecordField"
)

// Modes of schema.compatibility.
const (
	compatibleNone     = "NONE"
	compatibleBackward = "BACKWARD"
	compatibleForward  = "FORWARD"
	compatibleFull     = "FULL"
)

// Modes of behavior.on.null.values and of s3.object.behavior.on.tagging.error.
const (
	onErrorFail   = "fail"
	onErrorIgnore = "ignore"
	onNullWrite   = "write"
)

// Config holds the options of a task; start from DefaultConfig.
type Config struct {
	Format              string
	FlushSize           int
	RotateInterval      time.Duration // ≤ 0: not by the records' time
	RotateSchedule      time.Duration // ≤ 0: not by the clock
	RotateOnPartition   bool
	SchemaCompatibility string
	SchemaCache         int
	EnhancedAvro        bool
	MetaData            bool
	OptionalMapKeys     bool
	AvroCodec           string
	ParquetCodec        string
	JSONDecimals        string
	OffsetPad           int
	Compression         string
	CompressionLevel    int
	BytesExtension      string
	BytesSeparator      string
	OnNull              string
	TombstonePartition  string
	StoreKeys           bool
	StoreHeaders        bool
	KeysFormat          string
	HeadersFormat       string
	MaxOpenFiles        int

	Storage      string
	TopicsDir    string
	DirDelimiter string
	FileDelim    string
	SchemaAffix  string

	Partitioner    string
	Fields         []string
	FieldLabels    bool
	Duration       time.Duration
	PathFormat     string
	Locale         string
	TimeZone       string
	Extractor      string
	TimestampField string

	Client      ClientConfig
	PartSize    int
	MemoryBytes int64
	Conditional bool
	ScanLimit   int
	Tagging     bool
	Tags        []string
	OnTagError  string

	path     *pathFormat    // of the time based partitioners; nil for others
	location *time.Location // of timezone; nil: none
}

// DefaultConfig is the only place of defaults: those of Confluent's S3 sink 12.
func DefaultConfig() Config {
	return Config{
		RotateInterval: -time.Millisecond, RotateSchedule: -time.Millisecond, RotateOnPartition: true, SchemaCompatibility: compatibleNone, SchemaCache: 1000,
		EnhancedAvro: true, MetaData: true, AvroCodec: "null", ParquetCodec: "snappy", JSONDecimals: "BASE64", OffsetPad: 10,
		Compression: "none", CompressionLevel: -1, BytesExtension: ".bin", BytesSeparator: "\n", OnNull: onErrorFail, TombstonePartition: "tombstone",
		KeysFormat: avroFormat, HeadersFormat: avroFormat, MaxOpenFiles: -1,
		Storage: storageClass, TopicsDir: "topics", DirDelimiter: "/", FileDelim: "+", SchemaAffix: "NONE",
		Partitioner: defaultPartitioner, FieldLabels: true, Duration: -time.Millisecond, Extractor: wallclock, TimestampField: "timestamp",
		Client: defaultClientConfig(), PartSize: 25 << 20, MemoryBytes: 128 << 20, Conditional: true, ScanLimit: 100, OnTagError: onErrorIgnore,
	}
}

const (
	groupConnector   = "Connector"
	groupS3          = "S3"
	groupKeysHeaders = "Keys and Headers"
	groupStorage     = "Storage"
	groupPartitioner = "Partitioner"
)

const minPartSize = 5 << 20 // S3's, for every part but the last

var keyFormats = []string{avroFormat, jsonFormat, parquetFormat, bytesFormat}

// Keys is the only place of option names.
func (c *Config) Keys() config.Keys {
	return append(append(append(append(append(c.connectorKeys(), c.Client.keys()...), c.objectKeys()...), c.keyHeaderKeys()...), c.storageKeys()...), c.partitionerKeys()...)
}

func (c *Config) connectorKeys() config.Keys {
	in, low := config.Group(groupConnector), config.Rank(config.Low)
	cacheSize := time.Duration(0)
	shutdown := 3 * time.Second
	return config.Keys{
		config.Enum(&c.Format, "format.class", "Format of the files: Avro container files, JSON lines, Parquet, or the bytes of the records as they are.", keyFormats, config.Required(),
			config.ClassName("formats written in Java cannot be loaded."), config.Rank(config.High), in),
		config.Int(&c.FlushSize, "flush.size", "Records of a partition of a topic after which its open files are finished and stored.", 1, math.MaxInt32, config.Required(), config.Rank(config.High), in),
		config.Millis(&c.RotateInterval, "rotate.interval.ms", "Time of records that a file spans: a record so much later than the file's first one finishes it. Only with a time based partitioner, by its timestamp.extractor. -1: off.", math.MinInt64, config.Rank(config.High), in),
		config.Millis(&c.RotateSchedule, "rotate.schedule.interval.ms", "Finish the open files by the clock, so often, counted from midnight of timezone. Which records share a file then depends on when they were read. -1: off.", math.MinInt64, in),
		config.Bool(&c.RotateOnPartition, "rotate.file.on.partition.change", "With rotate.interval.ms: finish the open files also when a record goes to another directory than the one before it.", low, in),
		config.Int(&c.SchemaCache, "schema.cache.size", "How many schemas are kept ready for writing.", 1, math.MaxInt32, low, in),
		config.Bool(&c.EnhancedAvro, "enhanced.avro.schema.support", "Write what was read from an Avro enum as an enum again, and keep names of packages.", low, in),
		config.Bool(&c.MetaData, "connect.meta.data", "Put what Avro has no word for into connect.* properties of the files' schema.", low, in),
		config.Bool(&c.OptionalMapKeys, "allow.optional.map.keys", "Write maps with optional string keys as Avro maps.", low, in),
		config.Millis(&cacheSize, "retry.backoff.ms", "Without effect: the worker waits between attempts, 300 ms doubling up to errors.retry.delay.max.ms.", math.MinInt64, low, config.WithoutEffect(), in),
		config.Millis(&shutdown, "shutdown.timeout.ms", "Without effect: it waited for updates of Hive, of which there are none.", math.MinInt64, low, config.WithoutEffect(), in),
		config.Int(&c.OffsetPad, "filename.offset.zero.pad.width", "Digits of the offset in names of objects, filled up with zeros.", 0, 100, low, in),
		config.Enum(&c.AvroCodec, "avro.codec", "Compression within Avro files.", []string{"null", "deflate", "snappy", "zstandard", "zstd"}, config.Deny("bzip2", "use zstandard or deflate."), low, in),
		config.Enum(&c.ParquetCodec, "parquet.codec", "Compression within Parquet files.", []string{"none", "snappy", "gzip", "zstd", "brotli"},
			config.Deny("lzo", "use snappy or zstd."), config.Deny("lz4", "use snappy or zstd."), config.Deny("lz4_raw", "use snappy or zstd."), low, in),
		config.Enum(&c.SchemaCompatibility, "schema.compatibility", "What a record with another schema than its file does. NONE: the file is finished, the record begins the next one. BACKWARD and FULL: an older schema is projected to that of the file, a newer one finishes it. FORWARD: a newer schema is projected, an older one finishes the file. All but NONE need schemas with versions.",
			[]string{compatibleNone, compatibleBackward, compatibleForward, compatibleFull}, config.Rank(config.High), in),
	}
}

// objectKeys are those of the group S3 that are not about reaching the server.
func (c *Config) objectKeys() config.Keys {
	in, low := config.Group(groupS3), config.Rank(config.Low)
	elastic, capacity := false, 128<<10
	return config.Keys{
		config.Int(&c.PartSize, "s3.part.size", "Bytes of a part of a multipart upload, at least 5 MiB; a smaller file is sent as a whole. A Parquet file's row groups are of this size too.", minPartSize, math.MaxInt32, config.Rank(config.High), in),
		config.Long(&c.MemoryBytes, "s3.buffer.memory.bytes", "Bytes of open files that a task keeps in memory. Beyond, parts are sent early, and what is smaller than 5 MiB waits in temporary files. Not an option of Confluent's.", 1<<20, math.MaxInt64, low, in),
		config.Enum(&c.Compression, "s3.compression.type", "Compression of files as a whole, for JSON and bytes: none or gzip.", []string{"none", "gzip"}, low, in),
		config.Int(&c.CompressionLevel, "s3.compression.level", "Level of that compression, 1 (fast) to 9 (small), 0 (none); -1 is the default one.", -1, 9, low, in),
		config.Enum(&c.JSONDecimals, "json.decimal.format", "How decimals are written in JSON: BASE64 of their unscaled bytes, or NUMERIC.", []string{"BASE64", "NUMERIC"}, in),
		config.String(&c.BytesExtension, "format.bytearray.extension", "Extension of files of bytes.", low, in),
		config.String(&c.BytesSeparator, "format.bytearray.separator", "What stands behind each record in files of bytes; a line feed when it is not set.", config.Null(), low, in),
		config.Enum(&c.OnNull, "behavior.on.null.values", "What a record without a value does: fail stops the task (or sends it to the dead letter queue), ignore leaves it out, write stores its key below tombstone.encoded.partition.", []string{onErrorFail, onErrorIgnore, onNullWrite}, low, in),
		config.String(&c.TombstonePartition, "tombstone.encoded.partition", "Directory of the keys of records without a value, with behavior.on.null.values=write.", low, in),
		config.Enum(&c.SchemaAffix, "s3.schema.partition.affix.type", "Put schema_name=NAME of the value's schema before (PREFIX) or behind (SUFFIX) the partitioner's directory, or nowhere (NONE).", []string{"NONE", "PREFIX", "SUFFIX"}, low, in),
		config.Bool(&c.Tagging, "s3.object.tagging", "Tag objects with startOffset, endOffset and recordCount.", low, in),
		config.List(&c.Tags, "s3.object.tagging.key.value.pairs", "More tags, as key:value.", low, in),
		config.Enum(&c.OnTagError, "s3.object.behavior.on.tagging.error", "What happens when an object cannot be tagged: ignore goes on, with a warning, fail stops the task.", []string{onErrorIgnore, onErrorFail}, low, in),
		config.Bool(&c.Conditional, "enable.conditional.writes", "Where files are finished by the clock: write objects only if nobody else did meanwhile (If-None-Match, If-Match).", low, in),
		config.Int(&c.ScanLimit, "max.files.scan.limit", "Where files are finished by the clock: how many names of objects beyond the position are asked for at once.", 1, 1000, low, in),
		config.Int(&c.MaxOpenFiles, "partitioner.max.open.files", "Open files of a partition of a topic; before one more is opened they are finished. -1: any number.", -1, math.MaxInt32, low, in),
		config.Bool(&elastic, "s3.elastic.buffer.enable", "Without effect: buffers always grow with what is in them.", low, config.WithoutEffect(), in),
		config.Int(&capacity, "s3.elastic.buffer.init.capacity", "Without effect: buffers begin empty.", 4096, math.MaxInt32, low, config.WithoutEffect(), in),
	}
}

func (c *Config) keyHeaderKeys() config.Keys {
	in, low := config.Group(groupKeysHeaders), config.Rank(config.Low)
	return config.Keys{
		config.Bool(&c.StoreKeys, "store.kafka.keys", "Write the keys too, into a file of their own beside that of the values: NAME.keys.EXT.", low, in),
		config.Bool(&c.StoreHeaders, "store.kafka.headers", "Write the headers too, into a file of their own: NAME.headers.EXT.", low, in),
		config.Enum(&c.KeysFormat, "keys.format.class", "Format of the files of keys.", keyFormats, config.ClassName("formats written in Java cannot be loaded."), low, in),
		config.Enum(&c.HeadersFormat, "headers.format.class", "Format of the files of headers.", []string{avroFormat, jsonFormat, parquetFormat}, config.ClassName("headers are several values, which files of bytes cannot tell apart."), low, in),
	}
}

func (c *Config) storageKeys() config.Keys {
	in := config.Group(groupStorage)
	return config.Keys{
		config.Enum(&c.Storage, "storage.class", "The one storage there is.", []string{storageClass}, config.ClassName("this is the sink for S3."), config.Rank(config.High), in),
		config.String(&c.TopicsDir, "topics.dir", "Beginning of all names of objects.", config.Rank(config.High), in),
		config.String(&c.Client.URL, "store.url", "URL of a server other than Amazon's, such as http://minio:9000.", config.Null(), config.Rank(config.High), config.Check(checkURL), in),
		config.String(&c.DirDelimiter, "directory.delim", "What parts directories in names of objects.", in),
		config.String(&c.FileDelim, "file.delim", "What parts topic, partition and offset in names of objects.", in),
	}
}

func (c *Config) partitionerKeys() config.Keys {
	in := config.Group(groupPartitioner)
	generator := ""
	return append(config.Keys{
		config.Enum(&c.Partitioner, "partitioner.class", "How records are put into directories: by partition of the topic, by fields of the value, or by time.",
			[]string{defaultPartitioner, fieldPartitioner, timePartitioner, hourlyPartitioner, dailyPartitioner},
			config.ClassName("partitioners written in Java cannot be loaded; a transform (InsertField, TimestampConverter) can make a field for the FieldPartitioner."), config.Rank(config.High), in),
		config.List(&c.Fields, "partition.field.name", "Fields of the FieldPartitioner; a dot leads into a struct.", in),
		config.Bool(&c.FieldLabels, "partition.field.format.path", "Write name=value for each of these fields, and not the value alone.", config.Rank(config.Low), in),
		config.Millis(&c.Duration, "partition.duration.ms", "How much time shares a directory of the TimeBasedPartitioner.", math.MinInt64, in),
		config.String(&c.PathFormat, "path.format", "Directory of the TimeBasedPartitioner as a pattern of Joda-Time, such as 'year'=YYYY/'month'=MM/'day'=dd/'hour'=HH.", in),
		config.String(&c.Locale, "locale", "Language of a time based partitioner. Names of months and days are written in English only.", in),
		config.String(&c.TimeZone, "timezone", "Time zone of a time based partitioner and of rotate.schedule.interval.ms.", in),
		config.String(&c.Extractor, "timestamp.extractor", "Which time a time based partitioner looks at: Wallclock (when the record is written), Record (its timestamp) or RecordField.", config.Check(checkExtractor), in),
		config.String(&c.TimestampField, "timestamp.field", "Field of RecordField: a Timestamp, milliseconds, or a text in ISO 8601; a dot leads into a struct.", in),
		config.String(&generator, "schema.generator.class", "Without effect: it described partitions to Hive.", config.Rank(config.Low), config.WithoutEffect(), in),
		config.Refused("hive.integration", "false", "have the catalog read the directories (MSCK REPAIR TABLE, a crawler)."),
		config.Refused("append.late.data", "false", "use rotate.file.on.partition.change=false."),
	}, config.Ignored("hive.metastore.uris", "hive.conf.dir", "hive.home", "hive.database")...)
}

// extractorClass is the beginning of the extractors' class names.
const extractorClass = partitioners + "TimeBasedPartitioner$"

// extractor is the short name of a timestamp extractor, "" for one that is not known.
func extractor(text string) string {
	for _, name := range []string{wallclock, recordTime, recordField} {
		if text == name || text == extractorClass+name+"TimestampExtractor" {
			return name
		}
	}
	return ""
}

func checkExtractor(text string) error {
	if extractor(text) == "" {
		return config.Complain("Value must be one of %s, %s, %s: extractors written in Java cannot be loaded", wallclock, recordTime, recordField)
	}
	return nil
}

// frameworkNames belong to every sink connector, and to the worker.
var frameworkNames = []string{
	"name", "connector.class", "connector.plugin.version", "tasks.max", "tasks.max.enforce", "task.class", "topics", "topics.regex", "config.action.reload", "config.providers",
	"key.converter", "key.converter.", "value.converter", "value.converter.", "header.converter", "header.converter.", "transforms", "transforms.", "predicates", "predicates.",
	"errors.", "consumer.override.", "producer.override.", "admin.override.", "config.providers.",
}

// Validate checks a configuration; it does not connect.
func Validate(props map[string]string) config.Report {
	_, r := Parse(props)
	return r
}

// Parse reads the options of a connector or task and checks them against each other. It does not connect.
func Parse(props map[string]string) (Config, config.Report) {
	c := DefaultConfig()
	r := c.Keys().Parse(props, frameworkNames...)
	c.BytesSeparator = "\n"
	if text, ok := props["format.bytearray.separator"]; ok { // blanks belong to it
		c.BytesSeparator = text
	}
	c.checkClient(&r)
	c.checkFormats(&r)
	c.checkTime(&r)
	if c.Partitioner == fieldPartitioner && len(c.Fields) == 0 {
		r.Fail("partition.field.name", "Missing configuration partition.field.name: the FieldPartitioner needs the names of the fields")
	}
	for _, pair := range c.Tags {
		if key, _, ok := strings.Cut(pair, ":"); !ok || key == "" {
			r.Fail("s3.object.tagging.key.value.pairs", "Invalid value %s for configuration s3.object.tagging.key.value.pairs: want key:value", pair)
		}
	}
	if c.MaxOpenFiles == 0 {
		r.Fail("partitioner.max.open.files", "Invalid value 0 for configuration partitioner.max.open.files: want -1, or at least 1")
	}
	return c, r
}

// checkFormats holds formats, compression and tombstones against each other.
func (c *Config) checkFormats(r *config.Report) {
	if c.Compression != "none" {
		const message = "Compression Type %s not valid for %s format class: ( %s )."
		plain := func(format string) bool { return format == jsonFormat || format == bytesFormat || format == "" }
		if !plain(c.Format) {
			r.Fail("format.class", message, c.Compression, "data", c.Format)
		}
		if c.StoreKeys && !plain(c.KeysFormat) {
			r.Fail("keys.format.class", message, c.Compression, "keys", c.KeysFormat)
		}
		if c.StoreHeaders && !plain(c.HeadersFormat) {
			r.Fail("headers.format.class", message, c.Compression, "headers", c.HeadersFormat)
		}
	}
	if c.OnNull == onNullWrite && !c.StoreKeys {
		r.Fail("store.kafka.keys", "Writing Kafka record keys to storage is mandatory when tombstone writing is enabled (behavior.on.null.values=write): set store.kafka.keys=true.")
	}
	if c.OnNull == onNullWrite && c.TombstonePartition == "" {
		r.Fail("tombstone.encoded.partition", "Invalid value  for configuration tombstone.encoded.partition: behavior.on.null.values=write needs a directory")
	}
}

var zoneOffset = regexp.MustCompile(`^([+-])(\d\d):(\d\d)$`)

// zone finds a time zone by its name in Joda-Time: one of the time zone database, or ±hh:mm.
func zone(name string) (*time.Location, error) {
	if m := zoneOffset.FindStringSubmatch(name); m != nil {
		d, err := time.ParseDuration(m[1] + m[2] + "h" + m[3] + "m")
		if err != nil {
			return nil, err
		}
		return time.FixedZone(name, int(d/time.Second)), nil
	}
	if name == "Local" { // Go's name, nobody else's
		return nil, fmt.Errorf("unknown time zone %s", name)
	}
	return time.LoadLocation(name)
}

// timeBased tells the partitioners that look at a time.
func (c *Config) timeBased() bool { return c.path != nil }

// byClock tells that which records share a file depends on when they were read.
func (c *Config) byClock() bool {
	return c.RotateSchedule > 0 || c.timeBased() && c.Extractor == wallclock
}

// checkTime reads what concerns time.
func (c *Config) checkTime(r *config.Report) {
	c.Extractor = extractor(c.Extractor)
	pattern, duration := c.PathFormat, c.Duration
	switch c.Partitioner {
	case hourlyPartitioner:
		pattern, duration = "'year'=YYYY/'month'=MM/'day'=dd/'hour'=HH", time.Hour
	case dailyPartitioner:
		pattern, duration = "'year'=YYYY/'month'=MM/'day'=dd", 24*time.Hour
	case timePartitioner:
		if duration <= 0 {
			r.Fail("partition.duration.ms", "Invalid value %d for configuration partition.duration.ms: Partition duration needs to be a positive.", duration.Milliseconds())
		}
		if pattern == "" || pattern == c.DirDelimiter {
			r.Fail("path.format", "Invalid value %s for configuration path.format: Path format cannot be empty.", pattern)
		}
	}
	byTime := c.Partitioner == timePartitioner || c.Partitioner == hourlyPartitioner || c.Partitioner == dailyPartitioner
	if byTime && c.Locale == "" {
		r.Fail("locale", "Invalid value  for configuration locale: Locale cannot be empty.")
	}
	if byTime && c.TimeZone == "" {
		r.Fail("timezone", "Invalid value  for configuration timezone: Timezone cannot be empty.")
	}
	if c.RotateSchedule > 0 && c.TimeZone == "" {
		r.Fail("timezone", "timezone configuration must be set when using rotate.schedule.interval.ms")
	}
	if c.TimeZone != "" {
		location, err := zone(c.TimeZone)
		if err != nil {
			r.Fail("timezone", "Invalid value %s for configuration timezone: %v; want a name of the time zone database such as Europe/Paris, or an offset such as +02:00", c.TimeZone, err)
		}
		c.location = location
	}
	if byTime && c.location != nil {
		if c.DirDelimiter != "" && pattern != c.DirDelimiter {
			pattern = strings.TrimSuffix(pattern, c.DirDelimiter)
		}
		path, err := newPathFormat(pattern, c.Locale, duration, c.location)
		if err != nil {
			r.Fail("path.format", "Invalid value %s for configuration path.format: %v", pattern, err)
		}
		c.path = path
	}
	if c.RotateInterval > 0 && !byTime {
		r.Warn("rotate.interval.ms", "Option \"rotate.interval.ms\" has no effect: partitioner.class is not time based; rotate.schedule.interval.ms finishes files by the clock.")
	}
}
