package s3

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/internal/config"
)

// TestParseTutorial: the configuration of a tutorial, old options included, is taken.
func TestParseTutorial(t *testing.T) {
	c, report := Parse(map[string]string{"name": "s3-sink", "connector.class": Class, "tasks.max": "1", "topics": "mysql-prices", "s3.region": "us-west-2", "s3.bucket.name": "confluent-kafka-connect-s3",
		"s3.part.size": "5242880", "flush.size": "3", "storage.class": storageClass, "format.class": avroFormat,
		"schema.generator.class": "io.confluent.connect.storage.hive.schema.DefaultSchemaGenerator", "partitioner.class": defaultPartitioner, "schema.compatibility": "NONE"})
	if err := report.Err(); err != nil {
		t.Fatal(err)
	}
	if len(report.Warnings) > 0 {
		t.Errorf("warnings: %v, want none", report.Warnings)
	}
	if c.FlushSize != 3 || c.PartSize != 5<<20 || c.Format != avroFormat || c.byClock() {
		t.Errorf("Parse() = %+v", c)
	}
}

// TestReports: what is wrong is said at its option.
func TestReports(t *testing.T) {
	for _, c := range []struct {
		extra            []string
		errors, warnings string // joined by newlines
	}{
		{[]string{"format.class", "com.example.CsvFormat"}, "Invalid value com.example.CsvFormat for configuration format.class: Value must be one of " + strings.Join(keyFormats, ", ") + ": formats written in Java cannot be loaded.", ""},
		{[]string{"s3.part.size", "1000"}, "Invalid value 1000 for configuration s3.part.size: Value must be at least 5242880", ""},
		{[]string{"s3.compression.type", "gzip", "format.class", avroFormat}, "Compression Type gzip not valid for data format class: ( " + avroFormat + " ).", ""},
		{[]string{"behavior.on.null.values", "write"}, "Writing Kafka record keys to storage is mandatory when tombstone writing is enabled (behavior.on.null.values=write): set store.kafka.keys=true.", ""},
		{[]string{"partitioner.class", fieldPartitioner}, "Missing configuration partition.field.name: the FieldPartitioner needs the names of the fields", ""},
		{[]string{"partitioner.class", dailyPartitioner}, "Invalid value  for configuration locale: Locale cannot be empty.\nInvalid value  for configuration timezone: Timezone cannot be empty.", ""},
		{[]string{"partitioner.class", timePartitioner, "locale", "en", "timezone", "UTC"}, "Invalid value -1 for configuration partition.duration.ms: Partition duration needs to be a positive.\nInvalid value  for configuration path.format: Path format cannot be empty.\nInvalid value  for configuration path.format: Path format cannot be empty.", ""},
		{[]string{"rotate.schedule.interval.ms", "1000"}, "timezone configuration must be set when using rotate.schedule.interval.ms", ""},
		{[]string{"rotate.schedule.interval.ms", "1000", "timezone", "Mars/Olympus"}, "Invalid value Mars/Olympus for configuration timezone: unknown time zone Mars/Olympus; want a name of the time zone database such as Europe/Paris, or an offset such as +02:00", ""},
		{[]string{"rotate.interval.ms", "1000"}, "", `Option "rotate.interval.ms" has no effect: partitioner.class is not time based; rotate.schedule.interval.ms finishes files by the clock.`},
		{[]string{"aws.access.key.id", "x"}, "aws.access.key.id and aws.secret.access.key belong together: set both or none.", ""},
		{[]string{"s3.ssea.name", "AES256", "s3.sse.customer.key", "c2hvcnQ="}, "Invalid value [hidden] for configuration s3.sse.customer.key: want base64 of 32 bytes", ""},
		{[]string{"store.url", "minio:9000"}, "Invalid value minio:9000 for configuration store.url: want a URL such as http://host:9000", ""},
		{[]string{"s3.credentials.provider.class", assumeRole}, "Missing configuration s3.credentials.provider.sts.role.arn: " + assumeRole + " takes on a role", ""},
		{[]string{"avro.codec", "bzip2"}, `Option "avro.codec"="bzip2" is not supported: use zstandard or deflate.`, ""},
		{[]string{"timestamp.extractor", "com.example.Mine"}, "Invalid value com.example.Mine for configuration timestamp.extractor: Value must be one of Wallclock, Record, RecordField: extractors written in Java cannot be loaded", ""},
		{[]string{"s3.object.tagging.key.value.pairs", "a:b,c"}, "Invalid value c for configuration s3.object.tagging.key.value.pairs: want key:value", ""},
		{[]string{"s3.part.sise", "5242880"}, "", `Option "s3.part.sise" is not known and has no effect; the nearest known one is "s3.part.size".`},
	} {
		_, report := Parse(options(c.extra...))
		if diff := cmp.Diff(c.errors, joined(report.Errors)); diff != "" {
			t.Errorf("errors of %q (-want +got)\n%s", c.extra, diff)
		}
		if diff := cmp.Diff(c.warnings, joined(report.Warnings)); diff != "" {
			t.Errorf("warnings of %q (-want +got)\n%s", c.extra, diff)
		}
	}
}

func joined(problems []config.Problem) string {
	var out []string
	for _, p := range problems {
		out = append(out, p.Message)
	}
	return strings.Join(out, "\n")
}

// TestSeparatorKeepsBlanks: unlike other texts it is not trimmed.
func TestSeparatorKeepsBlanks(t *testing.T) {
	c := parsed(t, "format.class", bytesFormat, "format.bytearray.separator", " \r\n")
	if got, want := c.BytesSeparator, " \r\n"; got != want {
		t.Errorf("separator = %q, want %q", got, want)
	}
	if got, want := parsed(t).BytesSeparator, "\n"; got != want {
		t.Errorf("separator without the option = %q, want %q", got, want)
	}
}
