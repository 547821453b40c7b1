package source

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/cdc/catalog"
	"github.com/tandem-cdc/tandem/cdc/replication"
	"github.com/tandem-cdc/tandem/envelope"
	"github.com/tandem-cdc/tandem/schema"
)

// Survey is what a connector finds in its database, and what it would do there. Nothing was changed to learn it.
type Survey struct {
	Server      string              `json:"server"`
	Database    string              `json:"database"`
	Role        string              `json:"role"`
	Rights      []Right             `json:"rights"`
	Snapshot    string              `json:"snapshot"` // whether rows are read, in a sentence
	Tables      []SurveyedTable     `json:"tables"`
	Others      []SurveyedTopic     `json:"other_topics,omitempty"` // beside those of the tables
	Slot        SurveyedSlot        `json:"slot"`
	Publication SurveyedPublication `json:"publication"`
	Statements  []string            `json:"statements,omitempty"` // that would be run beside those for slot and publication
	Problems    []string            `json:"problems,omitempty"`   // that would keep the connector from working
	Warnings    []string            `json:"warnings,omitempty"`
}

// Right is something that the role must be allowed to do.
type Right struct {
	What   string `json:"what"`
	Has    bool   `json:"has"`
	Remedy string `json:"remedy,omitempty"` // where it has not
}

// SurveyedTable is a captured table.
type SurveyedTable struct {
	Name     string   `json:"name"` // schema.table
	Rows     int64    `json:"rows"` // as the server's statistics have it, -1 when they have nothing
	Bytes    int64    `json:"bytes"`
	Key      []string `json:"key"` // columns of the records' key
	Identity string   `json:"replica_identity"`
	Topic    string   `json:"topic"`
	// Record is one as the connector makes it: of the table's first row where there is one that may be read. Its schemas are those of the topic.
	Record  schema.Record `json:"-"`
	Sampled bool          `json:"-"` // Record has values
}

// SurveyedTopic is a topic that is no table's.
type SurveyedTopic struct {
	What   string        `json:"what"`
	Topic  string        `json:"topic"`
	Record schema.Record `json:"-"`
}

// SurveyedSlot is the replication slot.
type SurveyedSlot struct {
	Name     string `json:"name"`
	Exists   bool   `json:"exists"`
	Created  bool   `json:"created"` // it would be
	Active   bool   `json:"active"`
	Retained int64  `json:"retained_bytes,omitempty"` // WAL that it keeps
}

// SurveyedPublication is the publication.
type SurveyedPublication struct {
	Name      string `json:"name"`
	Exists    bool   `json:"exists"`
	Statement string `json:"statement,omitempty"` // that would be run
}

// Inspect surveys the database of a valid configuration. With sample one row of each table is read, which single message transforms need to see.
// The error is that the database cannot be asked; what is wrong in it stands in the Survey.
func Inspect(ctx context.Context, props map[string]string, sample bool) (*Survey, error) {
	c, report := Parse(props)
	if err := report.Err(); err != nil {
		return nil, err
	}
	log := slog.New(slog.DiscardHandler)
	c.Envelope.RunID, c.Envelope.Log, c.Envelope.Now = newRunID(), log, time.Now
	filter, err := newTableFilter(&c)
	if err != nil {
		return nil, err
	}
	conn, err := c.Database.Connect(ctx, replication.General)
	if err != nil {
		return nil, err
	}
	s := &surveyor{session: session{task: &Task{cfg: c, log: log}, cfg: &c, filter: filter, conn: conn, catalog: catalog.New(conn)}, sample: sample}
	defer s.close()
	s.Role, s.Database = c.Database.User, c.Database.Name
	if err := s.look(ctx); err != nil {
		return nil, err
	}
	return &s.Survey, nil
}

// surveyor fills a Survey in.
type surveyor struct {
	session
	Survey
	sample bool
}

func (s *surveyor) problem(format string, args ...any) {
	s.Problems = append(s.Problems, fmt.Sprintf(format, args...))
}

func (s *surveyor) warn(format string, args ...any) {
	s.Warnings = append(s.Warnings, fmt.Sprintf(format, args...))
}

// look asks one thing after the other. Whatever the user's own statements do, they cannot write.
func (s *surveyor) look(ctx context.Context) error {
	if _, err := s.conn.Exec(ctx, "SET default_transaction_read_only = on"); err != nil {
		return fmt.Errorf("make the connection read-only: %w", err)
	}
	if err := s.initialStatements(ctx, s.conn); err != nil {
		s.warn("%v", err)
	}
	var err error
	if s.server, err = replication.LookupServer(ctx, s.conn); err != nil {
		return err
	}
	s.Server = fmt.Sprintf("PostgreSQL %s at %s:%d", s.conn.PgConn().ParameterStatus("server_version"), s.cfg.Database.Host, s.cfg.Database.Port)
	if err := s.catalog.LoadTypes(ctx); err != nil {
		return err
	}
	names, err := s.captured(ctx)
	if err != nil {
		return err
	}
	if err := s.tables(ctx, names); err != nil {
		return err
	}
	s.snapshotSentence(names)
	if s.cfg.streams() {
		if err := s.server.Check(&s.cfg.Database); err != nil {
			s.problem("%v", err)
		}
		for _, step := range []func(context.Context, []catalog.TableName) error{s.publish, s.lookAtSlot, s.replicate, s.identities} {
			if err := step(ctx, names); err != nil {
				return err
			}
		}
	}
	return s.rights(ctx, names)
}

// tables plans every captured table.
func (s *surveyor) tables(ctx context.Context, names []catalog.TableName) error {
	guard := s.cfg.Guard
	switch {
	case len(names) == 0:
		s.problem("no table of database %s matches the filters: check table.include.list and schema.include.list", s.cfg.Database.Name)
	case guard.most > 0 && len(names) > guard.most && guard.action == "fail":
		s.problem("%v", &GuardrailError{Tables: len(names), Most: guard.most})
	case guard.most > 0 && len(names) > guard.most:
		s.warn("%d tables are captured, and guardrail.collections.max says %d", len(names), guard.most)
	}
	out := &memory{}
	enc, err := envelope.New(s.cfg.Envelope, out, s.catalog)
	if err != nil {
		return err
	}
	for _, n := range names {
		if s.cfg.Signals.is(n.Schema, n.Name) && !s.filter.captures(n.Schema, n.Name) {
			continue
		}
		if err := s.table(ctx, enc, out, n); err != nil {
			return err
		}
	}
	return s.otherTopics(enc, out)
}

var identityNames = map[cdc.Identity]string{cdc.IdentityDefault: "default", cdc.IdentityNothing: "nothing", cdc.IdentityFull: "full", cdc.IdentityIndex: "index"}

// table plans one table, and warns of what users stumble over.
func (s *surveyor) table(ctx context.Context, enc *envelope.Encoder, out *memory, n catalog.TableName) error {
	rel, table, ok, err := s.catalog.ByName(ctx, n.Schema, n.Name)
	if err != nil || !ok {
		return err
	}
	t := SurveyedTable{Name: n.Schema + "." + n.Name, Identity: identityNames[rel.Identity]}
	plan, err := enc.Plan(rel, table)
	if err != nil {
		s.problem("%v", err)
		return nil
	}
	t.Topic = plan.Topic()
	if k := plan.KeySchema(); k != nil {
		for _, f := range k.Fields {
			t.Key = append(t.Key, f.Name)
		}
	}
	err = s.conn.QueryRow(ctx, "SELECT reltuples::bigint, pg_table_size(oid) FROM pg_class WHERE oid = $1", n.OID).Scan(&t.Rows, &t.Bytes)
	if err != nil {
		return fmt.Errorf("read the size of table %s: %w", t.Name, err)
	}
	t.Record = schema.Record{Topic: t.Topic, Offset: schema.NoOffset, Timestamp: schema.NoTimestamp, KeySchema: plan.KeySchema(), ValueSchema: plan.ValueSchema()}
	if s.sample {
		s.takeRow(ctx, enc, out, plan, rel, &t)
	}
	s.tableWarnings(n, rel, table, &t)
	s.Survey.Tables = append(s.Survey.Tables, t)
	return nil
}

func (s *surveyor) tableWarnings(n catalog.TableName, rel *cdc.Relation, table *cdc.Table, t *SurveyedTable) {
	identified := slices.ContainsFunc(rel.Columns, func(c cdc.Column) bool { return c.Key })
	switch {
	case !s.cfg.streams():
	case n.Unlogged:
		s.warn("table %s is UNLOGGED: its changes are never in the stream, only the snapshot reads it", t.Name)
	case !identified && !table.Partitioned:
		s.warn("table %s has no replica identity (REPLICA IDENTITY %s and no primary key): once it is in a publication, UPDATE and DELETE on it fail in the database; "+
			"add a primary key, or run ALTER TABLE %s REPLICA IDENTITY FULL", t.Name, t.Identity, replication.TableName{Schema: n.Schema, Name: n.Name})
	}
	if len(t.Key) == 0 {
		s.warn("records of table %s have no key: it has neither primary key nor unique index; message.key.columns sets one", t.Name)
	}
}

// otherTopics are the topics of heartbeats and of transactions.
func (s *surveyor) otherTopics(enc *envelope.Encoder, out *memory) error {
	if s.cfg.Heartbeat > 0 {
		out.records = nil
		if _, err := enc.Heartbeat(time.Now()); err != nil {
			return err
		}
		s.addTopics("heartbeats", out)
	}
	if s.cfg.Envelope.TransactionMetadata {
		out.records = nil
		if _, err := enc.Begin(&envelope.Source{TxID: 1, HasTx: true}); err != nil {
			return err
		}
		s.addTopics("transaction metadata", out)
	}
	return nil
}

func (s *surveyor) addTopics(what string, out *memory) {
	for _, r := range out.records {
		s.Others = append(s.Others, SurveyedTopic{What: what, Topic: r.Topic, Record: r})
	}
}

// snapshotSentence says whether rows are read.
func (s *surveyor) snapshotSentence(names []catalog.TableName) {
	var rows, bytes int64
	known := true
	for _, t := range s.Survey.Tables {
		rows, bytes, known = rows+t.Rows, bytes+t.Bytes, known && t.Rows >= 0
	}
	size := byteCount(bytes)
	if known {
		size = fmt.Sprintf("%d rows and %s", rows, size)
	}
	switch {
	case s.cfg.neverSnapshots():
		s.Survey.Snapshot = fmt.Sprintf("snapshot.mode=%s: no rows are read, records begin with the next change", s.cfg.SnapshotMode)
	default:
		s.Survey.Snapshot = fmt.Sprintf("snapshot.mode=%s: a connector without a stored offset reads %d tables, about %s", s.cfg.SnapshotMode, len(names), size)
	}
}

// byteCount is a number of bytes for people.
func byteCount(n int64) string {
	const unit = 1024
	size, at := float64(n), 0
	for size >= unit && at < 4 {
		size, at = size/unit, at+1
	}
	if at == 0 {
		return fmt.Sprintf("%d bytes", n)
	}
	return fmt.Sprintf("%.1f %ciB", size, "KMGT"[at-1])
}

// lookAtSlot tells what becomes of the slot.
func (s *surveyor) lookAtSlot(ctx context.Context, _ []catalog.TableName) error {
	s.Survey.Slot.Name = s.cfg.Slot
	slot, exists, err := replication.LookupSlot(ctx, s.conn.PgConn(), s.cfg.Slot)
	if err != nil {
		return err
	}
	s.Survey.Slot.Exists, s.Survey.Slot.Created, s.Survey.Slot.Active = exists, !exists, slot.Active
	if !exists {
		return s.roomForSlot(ctx)
	}
	if err := slot.Check(s.cfg.Database.Name); err != nil {
		s.problem("%v", err)
	}
	if slot.Active {
		s.warn("slot %q is in use by the backend with PID %d: the connector runs already, or another one has the same slot.name", slot.Name, slot.ActivePID)
	}
	if s.server.LSN > slot.Restart && slot.Restart > 0 {
		s.Survey.Slot.Retained = int64(s.server.LSN - slot.Restart)
	}
	return nil
}

// roomForSlot looks whether one more slot can be made, and what its making would wait for.
func (s *surveyor) roomForSlot(ctx context.Context) error {
	var used, most, senders, mostSenders int
	var oldest *float64
	err := s.conn.QueryRow(ctx, `SELECT (SELECT count(*) FROM pg_replication_slots), current_setting('max_replication_slots')::int,
		(SELECT count(*) FROM pg_stat_replication), current_setting('max_wal_senders')::int,
		(SELECT extract(epoch FROM max(now() - xact_start))::float8 FROM pg_stat_activity WHERE backend_xid IS NOT NULL AND pid <> pg_backend_pid())`).
		Scan(&used, &most, &senders, &mostSenders, &oldest)
	if err != nil {
		return fmt.Errorf("count the replication slots: %w", err)
	}
	if used >= most {
		s.problem("slot %q cannot be created: all %d slots of the server are taken; raise max_replication_slots, or drop one that nobody needs", s.cfg.Slot, most)
	}
	if senders >= mostSenders {
		s.problem("the server has no WAL sender free: all %d are taken; raise max_wal_senders", mostSenders)
	}
	const long = 10 // seconds; a slot waits for every transaction that writes at that moment
	if oldest != nil && *oldest > long {
		s.warn("creating the slot waits for open transactions, the oldest of which has been open for %.0f s", *oldest)
	}
	return nil
}

// publish tells what becomes of the publication.
func (s *surveyor) publish(ctx context.Context, names []catalog.TableName) error {
	plan, err := replication.PlanPublication(ctx, s.conn, s.wantedPublication(names))
	s.Survey.Publication = SurveyedPublication{Name: plan.Name, Exists: plan.Exists, Statement: plan.SQL}
	var wrong *replication.PublicationError
	if errors.As(err, &wrong) {
		s.problem("%v", err)
		return nil
	}
	return err
}

// replicate opens the replication connection, for which pg_hba.conf and the role have rules of their own.
func (s *surveyor) replicate(ctx context.Context, _ []catalog.TableName) error {
	conn, err := replication.Connect(ctx, s.cfg.Database)
	if err != nil {
		s.problem("the replication connection cannot be opened: %v", err)
		return nil
	}
	return conn.Close(ctx)
}

// identities tells which replica identities would be changed.
func (s *surveyor) identities(_ context.Context, names []catalog.TableName) error {
	for _, n := range names {
		full := n.Schema + "." + n.Name
		rule, err := identityOf(s.cfg.Replication.identities, full)
		switch {
		case err != nil:
			s.warn("%v", err)
		case rule != nil:
			want := rule.want
			if rule.index != "" {
				want += " " + pgx.Identifier{rule.index}.Sanitize()
			}
			s.Statements = append(s.Statements, "ALTER TABLE "+pgx.Identifier{n.Schema, n.Name}.Sanitize()+" REPLICA IDENTITY "+want)
		}
	}
	return nil
}
