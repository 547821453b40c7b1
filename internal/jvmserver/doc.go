// Package jvmserver runs the real thing for integration tests: Apache Kafka in KRaft mode, Apicurio Registry, Elasticsearch,
// OpenSearch, and Kafka Connect with the Debezium connector, each as a JVM of its own on free ports of 127.0.0.1; and the SQL client of Apache Flink.
//
// In: Maven (mvn) and a Java of version 21 or newer, for Elasticsearch and OpenSearch a JDK; what they fetch from Maven Central stays in a cache, so that later starts
// need no network. Out: addresses. Start functions return when the server answers its protocol, not when its port is open; their errors
// end with the last lines of the server's log.
//
// The process of a server is in a group of its own, and on Linux it ends with the one that started it. A goroutine per process waits for its
// end; Close ends both and removes the data. The command run in this folder wraps a command that needs the servers:
//
//	go run ./internal/jvmserver/run -- go test -tags integration ./...
package jvmserver
