// Package transform is Kafka Connect's own single message transforms and predicates, as release 4.3.1 ships them.
//
// In go records in memory (schema.Record), out come the same records changed, or word that they are dropped. Each file is one transform: its
// options, what it makes once per schema, and Apply. Schemas are made once and kept by the pointer of the schema they came from, so that
// whoever gets the records finds its own plans by pointer again.
//
// What fails, fails as in Java: a *Failure has the exception's class and its message, which dead letters and logs carry. Dates are printed and
// read by java.text.SimpleDateFormat's patterns (dateformat.go, dateparse.go), in English and in UTC as Kafka Connect does.
//
// No I/O, no goroutines; a Transform is used by one goroutine. Values and schemas that come in are shared and are not written into.
package transform
