package provider

import (
	"fmt"
	"log/slog"

	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/internal/javaregex"
)

// environmentConfig is the parameters of EnvVarConfigProvider.
type environmentConfig struct {
	pattern string
	allowed *javaregex.Regexp // nil: all
}

func (c *environmentConfig) keys() config.Keys {
	return config.Keys{
		config.String(&c.pattern, "allowlist.pattern", "Regular expression of the whole names of variables that may be read; none: all.", config.Null(), config.Check(func(text string) (err error) {
			c.allowed, err = javaregex.Compile(text, false)
			return err
		})),
	}
}

// environment is EnvVarConfigProvider: a key is a variable of the environment.
type environment struct {
	environmentConfig
	lookup Lookup
}

func newEnvironment(params map[string]string, lookup Lookup) (provider, config.Report) {
	e := environment{lookup: lookup}
	r := e.keys().Parse(params)
	return &e, r
}

func (e *environment) get(path string, keys []string, _ *slog.Logger) (map[string]string, error) {
	if path != "" {
		return nil, &Error{fmt.Sprintf("Path is not supported for EnvVarConfigProvider, invalid value '%s'", path), nil}
	}
	values := make(map[string]string, len(keys))
	for _, key := range keys {
		if e.allowed != nil {
			allowed, err := e.allowed.MatchString(key)
			if err != nil {
				return nil, fmt.Errorf("match the name of variable %q with allowlist.pattern: %w", key, err)
			}
			if !allowed {
				continue
			}
		}
		if text, found := e.lookup(key); found {
			values[key] = text
		}
	}
	return values, nil
}
