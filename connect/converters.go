package connect

import (
	"maps"
	"slices"
	"strings"

	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/schema/converter"
)

// converters are the three of a connector.
type converters struct {
	key, value converter.Converter
	header     converter.HeaderConverter
}

// close lets go of the connections that they keep.
func (c converters) close() {
	for _, conv := range []converter.Converter{c.key, c.value} {
		if conv != nil {
			conv.Close()
		}
	}
}

// buildConverters makes the converters of a connector: its own where it names a class, with its own options only, else the worker's.
func buildConverters(w *WorkerConfig, c *ConnectorConfig, r *config.Report) (made converters) {
	if chosen, class, ok := resolveConverter("key.converter", w.KeyConverter, c.KeyConverter, r); ok {
		conv, report := converter.New(class, chosen.Options, true, converter.Env{})
		if made.key = conv; len(report.Errors) > 0 {
			made.key = nil
		}
		addConverterReport(r, "key.converter.", report)
	}
	if chosen, class, ok := resolveConverter("value.converter", w.ValueConverter, c.ValueConverter, r); ok {
		conv, report := converter.New(class, chosen.Options, false, converter.Env{})
		if made.value = conv; len(report.Errors) > 0 {
			made.value = nil
		}
		addConverterReport(r, "value.converter.", report)
	}
	if chosen, class, ok := resolveConverter("header.converter", w.HeaderConverter, c.HeaderConverter, r); ok {
		conv, report := converter.NewHeader(class, chosen.Options, converter.Env{})
		made.header = conv
		addConverterReport(r, "header.converter.", report)
	}
	return made
}

// resolveConverter chooses between the worker's converter and the connector's and finds its class, which like a connector's may be given
// without package and without "Converter".
func resolveConverter(option string, workers, connectors ConverterConfig, r *config.Report) (chosen ConverterConfig, class string, ok bool) {
	chosen = chooseConverter(workers, connectors)
	classes := append(converter.Classes(), converter.SimpleHeaderClass)
	if option != "header.converter" {
		classes = classes[:len(classes)-1]
	}
	var found []string
	for _, full := range classes {
		simple := full[strings.LastIndexByte(full, '.')+1:]
		if chosen.Class == full {
			found = []string{full}
			break
		}
		if chosen.Class == simple || chosen.Class == strings.TrimSuffix(simple, "Converter") {
			found = append(found, full)
		}
	}
	if len(found) != 1 {
		instead := converter.Instead(chosen.Class)
		if instead != "" {
			instead = " It does not exist here: " + instead + "."
		}
		r.Fail(option, "Invalid value %s for configuration %s: Class %s could not be found.%s", chosen.Class, option, chosen.Class, instead)
		return chosen, "", false
	}
	chosen.Options = maps.Clone(chosen.Options)
	if _, given := chosen.Options["plugin.version"]; given {
		r.Warn(option+".plugin.version", "Option %q has no effect: there is one version of each converter.", option+".plugin.version")
		delete(chosen.Options, "plugin.version")
	}
	return chosen, found[0], true
}

// addConverterReport adds the problems of a converter's options, under their whole names. As in Kafka Connect, the texts of values that are not
// valid have the short ones.
func addConverterReport(r *config.Report, prefix string, own config.Report) {
	rename := func(p config.Problem) config.Problem {
		return config.Problem{Name: prefix + p.Name, Message: strings.Replace(p.Message, `"`+p.Name+`"`, `"`+prefix+p.Name+`"`, 1)}
	}
	for _, p := range own.Errors {
		r.Errors = append(r.Errors, rename(p))
	}
	for _, p := range own.Warnings {
		if full := rename(p); !slices.Contains(r.Warnings, full) {
			r.Warnings = append(r.Warnings, full)
		}
	}
}

func converterClasses(w *WorkerConfig, c *ConnectorConfig) map[stage]string {
	return map[stage]string{
		stageKey:    chooseConverter(w.KeyConverter, c.KeyConverter).Class,
		stageValue:  chooseConverter(w.ValueConverter, c.ValueConverter).Class,
		stageHeader: chooseConverter(w.HeaderConverter, c.HeaderConverter).Class,
	}
}

// chooseConverter is the connector's converter if it names one.
func chooseConverter(workers, connectors ConverterConfig) ConverterConfig {
	if connectors.Class != "" {
		return connectors
	}
	return workers
}
