// Package java writes, and reads where there is a need, values byte by byte as Java does, for what others have written in Java and compare, or
// read back: JSON texts of Jackson, numbers, the serialised map of an offset file.
//
// In: a value and the bytes to append to. Out: those bytes. No state, no goroutines. What only converters need stands in schema/converter,
// the serialised keys of incremental snapshots in cdc/incremental.
package java
