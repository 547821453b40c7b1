package metrics

// Series gives every series of our own that has a name.
func (o *Out) Series(name string, do func(labels []Label, value float64)) {
	for i := range o.own {
		if s := &o.own[i]; s.name == name {
			do(s.labels, s.value)
		}
	}
}

// Value is the value of a label; "" when there is none.
func Value(labels []Label, name string) string {
	for _, l := range labels {
		if l.Name == name {
			return l.Value
		}
	}
	return ""
}
