package elasticsearch

// Figures takes what a task has measured. The worker implements it, without either package importing the other.
type Figures = interface {
	// Bean adds an attribute of a JMX bean; props are names and values in turn. A row of a table has a key.
	Bean(domain, kind string, props []string, attr, key string, value float64)
	// Own adds a series of tandem's own; labels are names and values in turn, beside connector and task.
	Own(name string, value float64, labels ...string)
}

// Measure gives what the task has done. Safe for concurrent use.
func (t *Task) Measure(out Figures) {
	s := t.Stats()
	for _, documents := range []struct {
		outcome string
		n       int64
	}{{"written", s.Written}, {"older", s.Conflicts}, {"left_out", s.LeftOut}} {
		out.Own("tandem_elasticsearch_documents_total", float64(documents.n), "outcome", documents.outcome)
	}
	out.Own("tandem_elasticsearch_bulks_total", float64(s.Bulks))
	out.Own("tandem_elasticsearch_bulk_bytes_total", float64(s.Bytes))
	out.Own("tandem_elasticsearch_retries_total", float64(s.Retries))
}
