package source

import (
	"context"
	"fmt"
)

// GuardrailError says that more tables are captured than guardrail.collections.max allows. Never retriable: somebody has to change the
// configuration.
type GuardrailError struct{ Tables, Most int }

func (e *GuardrailError) Error() string {
	return fmt.Sprintf("%d tables are captured, and guardrail.collections.max allows %d: narrow table.include.list or schema.include.list, or raise the bound", e.Tables, e.Most)
}

// Retriable is false.
func (e *GuardrailError) Retriable() bool { return false }

// guard serves guardrail.collections.*, at the start of a run.
func (s *session) guard(ctx context.Context) error {
	g := &s.cfg.Guard
	if g.most == 0 {
		return nil
	}
	tables, err := s.captured(ctx)
	if err != nil || len(tables) <= g.most {
		return err
	}
	if g.action == "fail" {
		return &GuardrailError{Tables: len(tables), Most: g.most}
	}
	s.task.log.Warn("more tables are captured than guardrail.collections.max allows", "tables", len(tables), "most", g.most)
	return nil
}
