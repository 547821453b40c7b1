package connect

import "github.com/tandem-cdc/tandem/internal/java"

// AppendJSONText appends s as a JSON string as Kafka Connect's serializer writes it.
func AppendJSONText(dst []byte, s string) []byte { return java.AppendText(dst, s, false) }
