// Command tandem captures the changes of PostgreSQL, publishes them to Kafka and applies them to other stores.
//
// A file per subcommand; plugins.go holds the list of connectors, which nothing else knows. In: arguments, configuration files, signals.
// Out: text, and an exit code: 0, 1 for a failure or a wrong call; standalone has those of connect-standalone besides.
// main owns the signals: the first interrupt asks for a tidy end, the second ends at once.
package main
