package sqldb

import (
	"errors"
	"fmt"

	"github.com/tandem-cdc/tandem/sink"
)

// checkPosition compares a stored position with the topic. table is the one of the positions, quoted as SQL has it, and where finds the
// row there.
func checkPosition(c claimed, topicID string, a sink.Assignment, name tableName, table, where string) error {
	again := fmt.Sprintf("to read the topic from the group's offset again, run DELETE FROM %s WHERE %s", table, where)
	problem := func(format string, args ...any) error {
		return &PositionError{Topic: a.Topic, Partition: a.Partition, Problem: fmt.Sprintf(format, args...), Remedy: again}
	}
	switch {
	case c.next < 0: // nothing was applied
	case topicID != a.TopicID && a.TopicID != "":
		return problem("the position stored in table %q, %d, belongs to a topic of the same name that was deleted (id %s, now %s)", name, c.next, topicID, a.TopicID)
	case c.next > a.End:
		return problem("the position stored in table %q, %d, lies beyond the topic's end, %d: records were lost on the broker, or the topic was recreated", name, c.next, a.End)
	case c.next < a.Begin:
		return &PositionError{Topic: a.Topic, Partition: a.Partition,
			Problem: fmt.Sprintf("records %d to %d were deleted from the topic (by its retention) before they were applied", c.next, a.Begin-1),
			Remedy:  fmt.Sprintf("to go on without them, run UPDATE %s SET next_offset = %d WHERE %s; else load the tables anew by a snapshot", table, a.Begin, where)}
	}
	return nil
}

// isPositionError tells whether somebody has to decide about a position; the others are still looked at.
func isPositionError(err error) bool {
	var p *PositionError
	return errors.As(err, &p)
}
