package schema

// Tee writes to several Writers of the same schema at once. Its Err is the first Writer's that has one.
func Tee(writers ...Writer) Writer { return tee(writers) }

type tee []Writer

func (t tee) Null() {
	for _, w := range t {
		w.Null()
	}
}

func (t tee) Bool(v bool) {
	for _, w := range t {
		w.Bool(v)
	}
}

func (t tee) Int(v int64) {
	for _, w := range t {
		w.Int(v)
	}
}

func (t tee) Float32(v float32) {
	for _, w := range t {
		w.Float32(v)
	}
}

func (t tee) Float64(v float64) {
	for _, w := range t {
		w.Float64(v)
	}
}

func (t tee) Text(v []byte) {
	for _, w := range t {
		w.Text(v)
	}
}

func (t tee) String(v string) {
	for _, w := range t {
		w.String(v)
	}
}

func (t tee) Bytes(v []byte) {
	for _, w := range t {
		w.Bytes(v)
	}
}

func (t tee) BeginStruct() {
	for _, w := range t {
		w.BeginStruct()
	}
}

func (t tee) EndStruct() {
	for _, w := range t {
		w.EndStruct()
	}
}

func (t tee) BeginArray(n int) {
	for _, w := range t {
		w.BeginArray(n)
	}
}

func (t tee) EndArray() {
	for _, w := range t {
		w.EndArray()
	}
}

func (t tee) BeginMap(n int) {
	for _, w := range t {
		w.BeginMap(n)
	}
}

func (t tee) EndMap() {
	for _, w := range t {
		w.EndMap()
	}
}

func (t tee) Err() error {
	for _, w := range t {
		if err := w.Err(); err != nil {
			return err
		}
	}
	return nil
}
