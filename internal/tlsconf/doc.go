// Package tlsconf turns the options ssl.* that Kafka's clients, Kafka Connect's REST API and the clients of the schema registry share into settings of
// TLS.
//
// In: properties, and the key stores and trust stores that they name. Out: a tls.Config for a client, from which Server makes one for listeners; and
// of an encrypted connection, whether a login can be bound to it.
// Files are read when it is made; no goroutines.
package tlsconf
