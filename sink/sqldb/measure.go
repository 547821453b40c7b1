package sqldb

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
	for _, rows := range []struct {
		op string
		n  int64
	}{{"write", s.Written}, {"delete", s.Deleted}, {"truncate", s.Truncated}} {
		out.Own("tandem_jdbc_rows_total", float64(rows.n), "op", rows.op)
	}
	out.Own("tandem_jdbc_transactions_total", float64(s.Transactions))
	out.Own("tandem_jdbc_statements_total", float64(s.Statements))
	out.Own("tandem_jdbc_records_skipped_total", float64(s.Skipped))
	out.Own("tandem_jdbc_retries_total", float64(s.Retries))
}
