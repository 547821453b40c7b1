package envelope

// networkPlan: inet, cidr, macaddr and macaddr8, as the server prints them.
func (e *Encoder) networkPlan() *typePlan {
	tp := e.plainText(stringSchema)
	tp.nullable, tp.inner = true, javaObject
	return tp
}
