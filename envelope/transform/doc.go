// Package transform is Debezium's single message transforms: ExtractNewRecordState, EventRouter, ByLogicalTableRouter and the others that
// Plugins lists.
//
// In go records in memory (schema.Record), out come the same records changed, or word that they are dropped. Each file is one transform: its
// options, what it makes once per schema, and Apply. Schemas are made once and kept by the pointer of the schema they came from, so that
// whoever gets the records finds its own plans by pointer again.
//
// No I/O, no goroutines; a Transform is used by one goroutine. Values and schemas that come in are shared and are not written into.
// What is here has the behaviour of Debezium 3.7.0; scripting (Filter, ContentBasedRouter) is refused by name.
package transform
