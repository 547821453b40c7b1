package source

import (
	"fmt"
	"maps"
	"strings"

	"github.com/tandem-cdc/tandem/internal/config"
)

// oldSnapshotModes maps what tutorials still use.
var oldSnapshotModes = map[string]SnapshotMode{"never": SnapshotNoData, "schema_only": SnapshotNoData, "exported": SnapshotInitial, "initial_schema_only": SnapshotNoData}

// renameValues gives the options whose values, or whose form, are of older versions their form of today; nil when there are none.
func renameValues(props map[string]string) (renamed map[string]string, warnings []config.Problem) {
	set := func(name, text string) {
		if renamed == nil {
			renamed = maps.Clone(props)
		}
		renamed[name] = text
	}
	warn := func(name, format string, args ...any) {
		warnings = append(warnings, config.Problem{Name: name, Message: fmt.Sprintf(format, args...)})
	}
	old := strings.ToLower(strings.TrimSpace(props["snapshot.mode"]))
	if mode, ok := oldSnapshotModes[old]; ok {
		set("snapshot.mode", string(mode))
		warn("snapshot.mode", "Value %q of option \"snapshot.mode\" is an old name; use %q.", old, mode)
	}
	if text, ok := props["sanitize.field.names"]; ok {
		mode := "none"
		if strings.EqualFold(strings.TrimSpace(text), "true") {
			mode = "avro"
		}
		if _, given := props["field.name.adjustment.mode"]; !given {
			set("field.name.adjustment.mode", mode)
		} else {
			set("field.name.adjustment.mode", props["field.name.adjustment.mode"])
		}
		delete(renamed, "sanitize.field.names")
		warn("sanitize.field.names", "Option \"sanitize.field.names\" is an old form; use field.name.adjustment.mode=%s.", mode)
	}
	return renamed, warnings
}

// driverProperties takes what is given to the JDBC driver as driver.* for database.*, which wins.
func driverProperties(props map[string]string) map[string]string {
	out := props
	for name, text := range props {
		rest, ok := strings.CutPrefix(name, "driver.")
		if !ok {
			continue
		}
		if _, given := props["database."+rest]; given {
			continue
		}
		if len(out) == len(props) {
			out = maps.Clone(props)
		}
		out["database."+rest] = text
	}
	return out
}
