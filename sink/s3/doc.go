// Package s3 is the sink that writes records as files into a bucket of S3, or of any server of its protocol: what
// io.confluent.connect.s3.S3SinkConnector does, with its options and its object names.
//
// In: sink.Records. Out: objects DIR/TOPIC/ENCODED_PARTITION/TOPIC+PARTITION+OFFSET.EXT in Avro, Parquet, JSON or raw, and positions behind
// those that are stored.
//
// Way of a record: a partitioner encodes it (partitioner.go, extract.go, joda.go) into a directory; the partition's writer (partition.go) decides
// whether what is open is to be finished first (rotation) and appends it to the directory's file (file.go, format_*.go), projected to the file's
// schema (compatible.go); objects cut parts and send them (object.go) through the store (store.go, client.go, the one room of Amazon's SDK).
//
// Exactly once: the position of a partition moves only when all its open files are finished together, to what is behind them. After a crash
// the same records come again and go, as long as the partitioner and the rotation look at records only, to the same names, which are written over. Where
// they look at the clock, names that are there already end the files before them (existing.go), so that a record is in one object in that case too.
//
// Put and Flush start goroutines that send objects; all have ended when they return.
package s3
