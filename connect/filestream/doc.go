// Package filestream holds the file source and the file sink: everybody's first connector. The source makes a record of each line of a file
// and goes on as the file grows; the sink appends a line for each record.
//
// In: a configuration, an emitter or records. Out: records of a topic, or lines of a file. It satisfies the worker's interfaces without
// importing it. Tasks own no goroutines; the one that reads standard input belongs to Stdin.
//
// Where it differs from the Java connectors: a position counts bytes, which is what both seek by, where Java stores a count of UTF-16 units and
// so goes on at the wrong place behind other than ASCII text; a file that is truncated or replaced is noticed, and read from its beginning;
// lines that a full batch leaves behind do not wait until the file grows; a write that fails is an error.
package filestream
