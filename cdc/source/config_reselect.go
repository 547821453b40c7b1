package source

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tandem-cdc/tandem/internal/config"
)

// reselectClass is the one post-processor there is; its options are Debezium's.
const (
	reselectClass      = "io.debezium.processors.reselect.ReselectColumnsPostProcessor"
	reselectCacheClass = "io.debezium.processors.reselect.cache.MemoryReselectColumnCache"
)

// reselectConfig holds post.processors and the options of each processor.
type reselectConfig struct {
	names      []string
	processors map[string]*processorConfig // by name, also those that are not listed
}

// processorConfig is one ReselectColumnsPostProcessor.
type processorConfig struct {
	class            string
	include, exclude []string // expressions on schema.table:column
	unavailable      bool     // read values that the server did not send again
	nulls            bool     // read nulls
	eventKey         bool     // find the row by the record's key, not by the primary key
	fail             bool     // when the row cannot be read

	cached                  bool // keep what was read or published
	cacheRows, cacheColumns int
	cacheTTL                time.Duration
}

// processor is the one of a name, with its defaults when it is new.
func (c *reselectConfig) processor(name string) *processorConfig {
	if c.processors == nil {
		c.processors = make(map[string]*processorConfig)
	}
	p := c.processors[name]
	if p == nil {
		p = &processorConfig{unavailable: true, nulls: true, cacheRows: 10_000, cacheColumns: 200, cacheTTL: 10 * time.Minute}
		c.processors[name] = p
	}
	return p
}

func (c *reselectConfig) keys() config.Keys {
	const group = "CONNECTOR_ADVANCED"
	family := func(option string, t config.Type, doc string, assign func(p *processorConfig, text string) error) config.Key {
		re := regexp.MustCompile(`[^.]+\.` + regexp.QuoteMeta(option))
		return config.Family(re, "<processor>."+option, t, doc, func(name, text string) error {
			return assign(c.processor(strings.TrimSuffix(name, "."+option)), text)
		}, config.Group(group), config.Rank(config.Low))
	}
	flag := func(option, doc string, dst func(p *processorConfig) *bool) config.Key {
		return family(option, config.TypeBoolean, doc, func(p *processorConfig, text string) (err error) {
			*dst(p), err = strconv.ParseBool(strings.ToLower(strings.TrimSpace(text)))
			if err != nil {
				return fmt.Errorf("want true or false")
			}
			return nil
		})
	}
	list := func(option, doc string, dst func(p *processorConfig) *[]string) config.Key {
		return family(option, config.TypeList, doc, func(p *processorConfig, text string) error {
			*dst(p) = config.SplitList(text)
			_, err := compileList(*dst(p))
			return err
		})
	}
	number := func(option, doc string, least int64, assign func(p *processorConfig, n int64)) config.Key {
		return family(option, config.TypeLong, doc, func(p *processorConfig, text string) error {
			n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 32)
			if err != nil || n < least {
				return fmt.Errorf("want a whole number from %d on", least)
			}
			assign(p, n)
			return nil
		})
	}
	return config.Keys{
		config.List(&c.names, "post.processors", "Names of post-processors, which complete rows before they are published; each has options that begin with its name.", config.Group(group), config.Rank(config.Low), config.Null(), config.Text()),
		family("type", config.TypeClass, "Class of the post-processor; only "+reselectClass+".", func(p *processorConfig, text string) error { p.class = strings.TrimSpace(text); return nil }),
		list("reselect.columns.include.list", "Columns to read again: regular expressions that match the whole of schema.table:column, in any case; all without.", func(p *processorConfig) *[]string { return &p.include }),
		list("reselect.columns.exclude.list", "Columns not to read again: regular expressions that match the whole of schema.table:column; without effect beside the include list.", func(p *processorConfig) *[]string { return &p.exclude }),
		flag("reselect.unavailable.values", "Read the large values that an update did not touch and the server therefore did not send; true without.", func(p *processorConfig) *bool { return &p.unavailable }),
		flag("reselect.null.values", "Read the columns that are null; true without.", func(p *processorConfig) *bool { return &p.nulls }),
		flag("reselect.use.event.key", "Find the row by the columns of the record's key instead of the primary key's; false without.", func(p *processorConfig) *bool { return &p.eventKey }),
		family("reselect.error.handling.mode", config.TypeString, "When the row cannot be read, or is gone: publish it as it is, with a warning (warn), or fail (fail); warn without.", func(p *processorConfig, text string) error {
			mode := strings.ToLower(strings.TrimSpace(text))
			p.fail = mode == "fail"
			if !p.fail && mode != "warn" {
				return fmt.Errorf("want warn or fail")
			}
			return nil
		}),
		flag("reselect.cache.enabled", "Keep, per row, the columns that were published or read, and take from there what would be read again; false without.", func(p *processorConfig) *bool { return &p.cached }),
		family("reselect.cache.type", config.TypeClass, "Class of that cache; only "+reselectCacheClass+".", func(_ *processorConfig, text string) error {
			if strings.TrimSpace(text) != reselectCacheClass {
				return fmt.Errorf("no other class can be loaded; remove the option, and rows are kept in memory")
			}
			return nil
		}),
		number("reselect.cache.max.size", "Rows that are kept at most; 10000 without.", 1, func(p *processorConfig, n int64) { p.cacheRows = int(n) }),
		number("reselect.cache.max.columns.per.row", "Columns of a row that are kept at most; 200 without.", 1, func(p *processorConfig, n int64) { p.cacheColumns = int(n) }),
		number("reselect.cache.ttl.ms", "How long a value is kept; 0 for ever; 600000 without.", 0, func(p *processorConfig, n int64) { p.cacheTTL = time.Duration(n) * time.Millisecond }),
	}
}

// complete checks the processors as a whole.
func (c *reselectConfig) complete(props map[string]string, r *config.Report) {
	for _, name := range c.names {
		option := name + ".type"
		switch class := c.processor(name).class; class {
		case reselectClass:
		case "":
			r.Fail(option, "Invalid value for configuration %s: the post-processor %q, which post.processors lists, needs a class; the one there is is %s", option, name, reselectClass)
		default:
			r.Fail(option, "Invalid value %s for configuration %s: Java classes cannot be loaded, and of post-processors there is only %s. Remove %q from post.processors and change the records by a transform, or downstream", class, option, reselectClass, name)
		}
	}
	for name, p := range c.processors {
		if p.class == reselectClass && !slices.Contains(c.names, name) {
			r.Warn(name+".type", "Option %q has no effect: post.processors does not list %q.", name+".type", name)
		}
	}
}
