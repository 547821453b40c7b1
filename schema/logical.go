package schema

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
