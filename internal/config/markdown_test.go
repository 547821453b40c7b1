package config

import (
	"regexp"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestMarkdown(t *testing.T) {
	pass, m, size, blank := Secret("open sesame"), mode("fast"), 3, ""
	var wait time.Duration
	page := Page{Title: "Shop", Intro: "All of them.", Sections: []Section{{Keys: append(Keys{
		String(new(string), "name", "Name|s of <all> *kinds*.", Required(), Match(regexp.MustCompile("[a-z]+"), "lower case letters"), Rank(High), Group("CONNECTION_ADVANCED_SSL")),
		Int(&size, "size", "Size.", 1, 9, Group("Other")),
		Millis(&wait, "wait.ms", "Wait.", 0, Alias("delay.ms", "pause.ms"), Group("CONNECTION_ADVANCED_SSL")),
		Int(new(int), "cpus", "Most.", 0, 1<<31-1, DefaultIs("number of CPUs"), Group("Other")),
		Enum(&m, "mode", "Mode.", []mode{"fast", ""}, Group("Other")),
		Password(&pass, "password", "Password.", Group("Other")),
		String(&blank, "blank", "Blank.", Rank(Low), Group("Other")),
		List(new([]string), "tables", "Tables.", Null(), Group("Other")),
		Prefix("driver.", "Passed on.", func(string, string) error { return nil }, Group("Other")),
		Bool(new(bool), "pool", "There is none.", WithoutEffect()),
		Refused("converters", "", "use transforms."),
	}, Ignored("jvm.stack", "jvm.heap")...)}}}
	const want = generated + `# Shop

All of them.

## Connection advanced SSL

| option | type | default | values | what it does | importance | older names |
|---|---|---|---|---|---|---|
| ` + "`name`" + ` | string | required | lower case letters | Name\|s of &lt;all> \*kinds\*. | high |  |
| ` + "`wait.ms` | long | `0` | at least 0 | Wait. | medium | `delay.ms`, `pause.ms`" + ` |

## Other

| option | type | default | values | what it does | importance | older names |
|---|---|---|---|---|---|---|
| ` + "`size` | int | `3`" + ` | 1 to 9 | Size. | medium |  |
| ` + "`cpus`" + ` | int | number of CPUs | at least 0 | Most. | medium |  |
| ` + "`mode` | string | `fast` | `fast`" + `, empty | Mode. | medium |  |
| ` + "`password`" + ` | password | \[hidden] |  | Password. | medium |  |
| ` + "`blank`" + ` | string | empty |  | Blank. | low |  |
| ` + "`tables`" + ` | list | none |  | Tables. | medium |  |
| ` + "`driver.*`" + ` | string |  |  | Passed on. | medium |  |

## Refused

These would change records and do not exist here: any other value than the one below stops the start.

| option | passes as | instead |
|---|---|---|
| ` + "`converters`" + ` | empty | Use transforms. |

## Accepted, without effect

| option | why |
|---|---|
| ` + "`pool`" + ` | There is none. |

These tune or observe the JVM and are named in a warning: ` + "`jvm.heap`, `jvm.stack`" + `.
`
	if diff := cmp.Diff(want, string(page.Markdown())); diff != "" {
		t.Errorf("Markdown() (-want +got)\n%s", diff)
	}
}

func TestLimits(t *testing.T) {
	for _, c := range []struct {
		low, high int64
		want      string
	}{
		{1, 9, "1 to 9"}, {0, 1<<31 - 1, "at least 0"}, {-1 << 31, 1<<31 - 1, ""}, {-1 << 31, 7, "at most 7"},
	} {
		if got := within32(c.low, c.high); got != c.want {
			t.Errorf("within32(%d, %d) = %q, want %q", c.low, c.high, got, c.want)
		}
	}
}
