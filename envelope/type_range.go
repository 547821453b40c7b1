package envelope

// rangePlan: the built-in ranges, as the server prints them. Bounds of tstzrange are in the time zone of the session that reads
// them. Debezium has no form for multiranges: they are unknown types.
func (e *Encoder) rangePlan() *typePlan {
	tp := e.plainText(stringSchema)
	tp.nullable, tp.inner = true, javaObject
	return tp
}
