package connect

import "strings"

// debeziumVariables are the variables of Debezium's container image that are not spelled CONNECT_….
var debeziumVariables = map[string]string{
	"BOOTSTRAP_SERVERS":        "bootstrap.servers",
	"KEY_CONVERTER":            "key.converter",
	"VALUE_CONVERTER":          "value.converter",
	"HEADER_CONVERTER":         "header.converter",
	"OFFSET_FLUSH_INTERVAL_MS": "offset.flush.interval.ms",
	"OFFSET_FLUSH_TIMEOUT_MS":  "offset.flush.timeout.ms",
	"SHUTDOWN_TIMEOUT":         "task.shutdown.graceful.timeout.ms",
	"GROUP_ID":                 "group.id",
	"CONFIG_STORAGE_TOPIC":     "config.storage.topic",
	"OFFSET_STORAGE_TOPIC":     "offset.storage.topic",
	"STATUS_STORAGE_TOPIC":     "status.storage.topic",
}

// EnvironmentProperties returns the worker options among variables of the environment, given as os.Environ does: CONNECT_A_B is a.b,
// two underscores are a dash and three an underscore, as in Confluent's images; and those of Debezium's image.
// CONNECT_LOG4J_… and CONNECT_JMX_… configure the JVM and are left out.
func EnvironmentProperties(environ []string) map[string]string {
	props := make(map[string]string)
	for _, line := range environ {
		name, text, _ := strings.Cut(line, "=")
		if option, known := debeziumVariables[name]; known && text != "" {
			if _, given := props[option]; !given {
				props[option] = text
			}
		}
		option, found := strings.CutPrefix(name, "CONNECT_")
		if !found || option == "" || strings.HasPrefix(option, "LOG4J_") || strings.HasPrefix(option, "JMX_") {
			continue
		}
		option = strings.ToLower(option)
		option = strings.ReplaceAll(option, "___", "\x00")
		option = strings.ReplaceAll(option, "__", "-")
		option = strings.ReplaceAll(option, "_", ".")
		props[strings.ReplaceAll(option, "\x00", "_")] = text
	}
	return props
}
