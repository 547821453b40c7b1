package polling

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/internal/config"
)

func TestParse(t *testing.T) {
	const url = "jdbc:postgresql://h/d"
	for _, c := range []struct {
		name   string
		props  map[string]string
		errors []string // option: part of the sentence
		warns  []string
	}{
		{"least", map[string]string{}, nil, nil},
		{"tutorial", map[string]string{"mode": "incrementing", "name": "x", "connector.class": Class, "tasks.max": "1", "value.converter": "x", "transforms.a.type": "y"}, nil, nil},
		{"missing", map[string]string{"connection.url": "-", "mode": "-", "topic.prefix": "-"}, []string{"connection.url: Missing required configuration", "mode: Missing required configuration", "topic.prefix: Missing required configuration"}, nil},
		{"mode", map[string]string{"mode": "all"}, []string{"mode: Value must be one of bulk, timestamp, incrementing, timestamp+incrementing"}, nil},
		{"url", map[string]string{"connection.url": "jdbc:oracle:thin:@h:1521:x?password=hush"}, []string{`connection.url: database kind "oracle" is not supported`}, nil},
		{"prefix", map[string]string{"topic.prefix": "a b"}, []string{"topic.prefix: Topic prefix must not contain any character other than"}, nil},
		{"long prefix", map[string]string{"topic.prefix": strings.Repeat("a", 250)}, []string{"topic.prefix: Topic prefix length must not exceed"}, nil},
		{"both lists", map[string]string{"table.whitelist": "a", "table.blacklist": "b"}, []string{"table.whitelist: mutually exclusive", "table.blacklist: mutually exclusive"}, nil},
		{"old and new", map[string]string{"table.include.list": ".*", "timestamp.column.name": "a", "mode": "timestamp"}, []string{"timestamp.column.name: Cannot mix legacy and new", "table.include.list: Cannot mix"}, nil},
		{"exclude alone", map[string]string{"table.exclude.list": ".*"}, []string{"table.exclude.list: cannot be used without table.include.list"}, nil},
		{"expression", map[string]string{"table.include.list": "a("}, []string{"table.include.list: "}, nil},
		{"mapping", map[string]string{"table.include.list": ".*", "mode": "timestamp", "timestamp.columns.mapping": ".*:a"}, []string{"timestamp.columns.mapping: want columns as [first|second]"}, nil},
		{"mapping missing", map[string]string{"table.include.list": ".*", "mode": "timestamp+incrementing", "timestamp.columns.mapping": ".*:[a|b]"}, []string{"mode: Incrementing column configuration must be provided"}, nil},
		{"mapping needless", map[string]string{"table.include.list": ".*", "mode": "incrementing", "timestamp.columns.mapping": ".*:[a]", "incrementing.column.mapping": ".*:id"}, []string{"mode: Timestamp column configurations should not be provided"}, nil},
		{"mappings", map[string]string{"table.include.list": ".*", "mode": "timestamp+incrementing", "timestamp.columns.mapping": "a:[x|y],b:[z]", "incrementing.column.mapping": ".*:id"}, nil, nil},
		{"query and tables", map[string]string{"query": "select 1", "table.whitelist": "a"}, []string{"query: Do not specify table filtering configs", "table.whitelist: Do not specify"}, nil},
		{"two queries", map[string]string{"query": "select 1", "query.masked": "select 2"}, []string{"query: cannot be set at the same time", "query.masked: cannot be set"}, nil},
		{"no query", map[string]string{"query": "drop table t"}, []string{"query: must be a SELECT statement"}, nil},
		{"with", map[string]string{"query": " with a as (select 1) select * from a;"}, nil, nil},
		{"query without columns", map[string]string{"query": "select 1", "mode": "timestamp+incrementing"}, []string{"timestamp.column.name: is needed", "incrementing.column.name: is needed"}, nil},
		{"no timestamp", map[string]string{"mode": "timestamp"}, []string{"timestamp.column.name: is needed with mode=timestamp"}, nil},
		{"zone", map[string]string{"db.timezone": "Mars"}, []string{"db.timezone: Invalid time zone identifier"}, nil},
		{"snapshot", map[string]string{"transaction.isolation.mode": "SQL_SERVER_SNAPSHOT"}, []string{"transaction.isolation.mode: can only be configured with a Sql Server Dialect"}, nil},
		{"dialect", map[string]string{"dialect.name": "MySqlDatabaseDialect"}, []string{"dialect.name: a URL of postgresql needs PostgreSqlDatabaseDialect"}, nil},
		{"own dialect", map[string]string{"dialect.name": "PostgreSqlDatabaseDialect"}, nil, nil},
		{"limit", map[string]string{"mode": "timestamp", "timestamp.column.name": "a", "query.suffix": "limit 5"}, nil, []string{"query.suffix: cut rows of one timestamp in two"}},
		{"driver", map[string]string{"connection.sslmode": "sometimes"}, []string{"connection.url: sslmode"}, nil},
		{"unknown", map[string]string{"poll.intervall.ms": "1"}, nil, []string{"poll.intervall.ms: is not known"}},
		{"provider", map[string]string{"jdbc.credentials.provider.class": "x.Y"}, []string{"jdbc.credentials.provider.class: Java class"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			props := map[string]string{"connection.url": url, "mode": "bulk", "topic.prefix": "t"}
			for k, v := range c.props {
				if props[k] = v; v == "-" {
					delete(props, k)
				}
			}
			_, r := Parse(props)
			var errs, warns [][2]string
			for _, p := range r.Errors {
				errs = append(errs, [2]string{p.Name, p.Message})
			}
			for _, p := range r.Warnings {
				warns = append(warns, [2]string{p.Name, p.Message})
			}
			check := func(kind string, want []string, got [][2]string) {
				if len(want) != len(got) {
					t.Fatalf("%s = %q, want %q", kind, got, want)
				}
				for i, w := range want {
					name, part, _ := strings.Cut(w, ": ")
					if got[i][0] != name || !strings.Contains(got[i][1], part) {
						t.Errorf("%s %d = %q, want %q", kind, i, got[i], w)
					}
				}
			}
			check("errors", c.errors, errs)
			check("warnings", c.warns, warns)
			if text := strings.Join(append(append([]string{}, flat(errs)...), flat(warns)...), " "); strings.Contains(text, "hush") {
				t.Errorf("a password is shown: %s", text)
			}
		})
	}
}

func flat(pairs [][2]string) (out []string) {
	for _, p := range pairs {
		out = append(out, p[1])
	}
	return out
}

// The options of the Java connector, with its defaults: who moves over finds them.
func TestOptions(t *testing.T) {
	c := DefaultConfig()
	got := make(map[string]string)
	for _, k := range c.Keys() {
		if got[k.Name] = k.Default; k.NoDefault {
			got[k.Name] = "null"
		}
	}
	want := map[string]string{
		"connection.url": "", "connection.user": "null", "connection.password": "null", "connection.attempts": "3", "connection.backoff.ms": "10000", "table.whitelist": "", "table.blacklist": "",
		"table.include.list": "", "table.exclude.list": "", "catalog.pattern": "null", "schema.pattern": "null", "numeric.precision.mapping": "false", "numeric.mapping": "null", "dialect.name": "",
		"jdbc.credentials.provider.class": "io.confluent.connect.jdbc.util.DefaultJdbcCredentialsProvider", "mode": "", "incrementing.column.name": "", "incrementing.column.mapping": "",
		"timestamp.column.name": "", "timestamp.columns.mapping": "", "timestamp.initial": "null", "validate.non.null": "true", "query": "", "query.masked": "null", "quote.sql.identifiers": "ALWAYS",
		"query.suffix": "", "transaction.isolation.mode": "DEFAULT", "query.retry.attempts": "-1", "table.types": "TABLE", "poll.interval.ms": "5000", "batch.max.rows": "1000",
		"table.poll.interval.ms": "60000", "table.monitoring.startup.polling.limit.ms": "10000", "topic.prefix": "", "timestamp.delay.interval.ms": "0", "db.timezone": "UTC",
		"timestamp.granularity": "connect_logical", "poll.linger.ms": "5000", "max.buffer.size": "0", "tables": "", "tables.fetched": "true", "connection.*": "null",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("options and defaults (-want +got)\n%s", diff)
	}
}

// The configurations of the page are taken without error or warning.
func TestPageExamples(t *testing.T) {
	page, err := os.ReadFile("../../docs/connectors/jdbc-source.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := 0
	for _, block := range strings.Split(string(page), "```properties\n")[1:] {
		text, _, _ := strings.Cut(block, "```")
		if !strings.Contains(text, "connection.url") {
			continue
		}
		examples++
		props, err := config.ParseProperties(text)
		if err != nil {
			t.Fatal(err)
		}
		if _, r := Parse(props); len(r.Errors)+len(r.Warnings) > 0 {
			t.Errorf("Parse(%s) = %+v", text, r)
		}
	}
	if examples < 2 {
		t.Errorf("%d examples on the page, want two", examples)
	}
}
