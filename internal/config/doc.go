// Package config holds what an option is: its name, type, default, documentation, validity and older names, written once.
// Parsing, validation, Connect's validate call and docs/config/*.md all come from that one definition.
//
// In: a map of option texts, as properties files and REST bodies give it. Out: fields of a Config struct that are set, and a
// Report with every error and warning at once, each at the option it belongs to. No I/O but reading a properties file it is
// handed; no goroutines.
package config
