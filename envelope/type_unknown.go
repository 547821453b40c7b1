package envelope

// unknownPlan: every type without a form of its own. Columns are left out, or with include.unknown.datatypes written as
// binary.handling.mode of their text.
func (e *Encoder) unknownPlan() *typePlan {
	if !e.cfg.UnknownTypes {
		return nil
	}
	tp := e.binaryPlan()
	tp.write = e.writeBinary(func(_ *scratch, text []byte) ([]byte, error) { return text, nil })
	tp.length = unlimited
	return tp
}
