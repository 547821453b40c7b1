// Package jaas reads the notation of Java's login configurations: the option sasl.jaas.config, and the files that -Djava.security.auth.login.config
// names.
//
// In: text. Out: login modules with their options, as Kafka's and Java's own reader (a StreamTokenizer) take them. No I/O, no goroutines. No error
// shows a value, which may be a password.
package jaas
