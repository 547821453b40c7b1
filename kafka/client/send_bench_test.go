package client

import "testing"

// BenchmarkSend is what a record of about 600 bytes costs between Send and the socket: the copy into its batch, compression, checksum, request.
func BenchmarkSend(b *testing.B) {
	for _, compression := range []Compression{None, LZ4, Zstd} {
		b.Run(string(compression), func(b *testing.B) {
			round, records := roundTrips(b, compression)
			b.ReportAllocs()
			for b.Loop() {
				round()
			}
			b.ReportMetric(float64(b.N*records)/b.Elapsed().Seconds(), "records/s")
		})
	}
}
