// Package generate makes up cases for recordings: tables of random types with random rows and changes, under random options of the
// connector. What a real Debezium makes of them is recorded by the program in testdata/oracle, and replayed by internal/golden/replay.
//
// In: a seed, the number of a case in its run, and how many tables it shall have. Out: the texts of connector.properties, setup.sql and
// changes.sql; the same for the same input on every machine. No I/O but Write, no goroutines.
//
// What a case may not hold stands where it would be made, with the reason: what stops the connector, what differs from run to run, and
// the few values of which docs/DESIGN.md says that they differ on purpose. Statements may fail, such as an insert of a key that exists: a
// case goes on behind them, in the recording as in the replay.
package generate
