package schema

import "math/big"

// Names of Kafka Connect's own logical types; all have version 1.
const (
	DecimalName   = "org.apache.kafka.connect.data.Decimal"
	DateName      = "org.apache.kafka.connect.data.Date"
	TimeName      = "org.apache.kafka.connect.data.Time"
	TimestampName = "org.apache.kafka.connect.data.Timestamp"
)

// Parameters of Decimal.
const (
	ScaleParameter     = "scale"
	PrecisionParameter = "connect.decimal.precision"
)

// Unscaled reads the bytes of a Decimal: two's complement, big-endian. No bytes are zero.
func Unscaled(b []byte) *big.Int {
	n := new(big.Int).SetBytes(b)
	if len(b) > 0 && b[0]&0x80 != 0 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(len(b))*8))
	}
	return n
}
