package connect

import (
	"slices"

	"github.com/tandem-cdc/tandem/internal/config"
)

// ConfigInfos is what validation tells of a configuration: every option with its definition, its value and what is wrong with it.
type ConfigInfos struct {
	Name    string // the class, as the configuration writes it
	Errors  int
	Groups  []string
	Configs []ConfigInfo

	warnings []config.Problem
}

// ConfigInfo is one option of a validated configuration.
type ConfigInfo struct {
	Definition *config.Definition // nil: nothing is known of the option
	Value      ConfigValue
}

// ConfigValue is the value of an option, and what is wrong with it.
type ConfigValue struct {
	Name        string
	Value       *string // nil: none, or one that is wrong for the type
	Recommended []string
	Errors      []string
	Visible     bool
}

// add appends an option. It counts its errors: those of the options of converters and clients as one, as Kafka Connect does.
func (c *ConfigInfos) add(d *config.Definition, v ConfigValue, asOne bool) {
	c.Configs = append(c.Configs, ConfigInfo{d, v})
	n := len(v.Errors)
	if asOne {
		n = min(n, 1)
	}
	c.Errors += n
	if d != nil {
		c.group(d.Group)
	}
}

// group makes known that there is a group.
func (c *ConfigInfos) group(name string) {
	if name != "" && !slices.Contains(c.Groups, name) {
		c.Groups = append(c.Groups, name)
	}
}

// Warnings are what a validation warns of.
func (c *ConfigInfos) Warnings() []config.Problem { return c.warnings }

// Problems are the errors, in the order of the options.
func (c *ConfigInfos) Problems() []config.Problem {
	var all []config.Problem
	for _, info := range c.Configs {
		for _, e := range info.Value.Errors {
			all = append(all, config.Problem{Name: info.Value.Name, Message: e})
		}
	}
	return all
}

// section is a part of a validation: definitions with their values. The errors come from the one report over all.
type section struct {
	definitions []config.Definition
	values      []*string // beside the definitions
	asOne       bool
}

func (s *section) add(d config.Definition, value *string) {
	s.definitions = append(s.definitions, d)
	s.values = append(s.values, value)
}

// find is the place of an option, -1 when it is not there.
func (s *section) find(name string) int {
	return slices.IndexFunc(s.definitions, func(d config.Definition) bool { return d.Name == name })
}

// assemble makes the ConfigInfos out of sections and of what is wrong. Errors at options that no section has come first, as in Kafka Connect.
func assemble(class string, problems []config.Problem, sections ...section) ConfigInfos {
	infos := ConfigInfos{Name: class}
	errors := make(map[string][]string)
	for _, p := range problems {
		errors[p.Name] = append(errors[p.Name], p.Message)
	}
	defined := make(map[string]bool)
	for _, s := range sections {
		for _, d := range s.definitions {
			defined[d.Name] = true
		}
	}
	for _, p := range problems {
		if !defined[p.Name] {
			defined[p.Name] = true
			infos.add(nil, ConfigValue{Name: p.Name, Errors: errors[p.Name], Visible: true}, false)
		}
	}
	for _, s := range sections {
		for i := range s.definitions {
			d := &s.definitions[i]
			value := ConfigValue{Name: d.Name, Value: s.values[i], Recommended: d.Recommended, Errors: errors[d.Name], Visible: !d.Invisible}
			if d.Type == "" { // a name that nothing is known of
				d = nil
			}
			infos.add(d, value, s.asOne)
		}
	}
	return infos
}
