package source

import "github.com/tandem-cdc/tandem/internal/config"

// Class is the Java class name that selects this connector.
const Class = "io.debezium.connector.postgresql.PostgresConnector"

// Validate checks a configuration and reports every error and warning at once; it does not connect.
func Validate(props map[string]string) config.Report {
	_, report := Parse(props)
	return report
}

// TaskConfigs is always one task: one slot has one reader, whatever tasks.max says.
func TaskConfigs(props map[string]string, _ int) ([]map[string]string, error) {
	return []map[string]string{props}, nil
}
