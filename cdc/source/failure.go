package source

import (
	"errors"

	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/envelope"
)

// leaveOut serves event.processing.failure.handling.mode but fail: an error of publisher.check that is the change's own, since its values do not fit
// its table's schema, is forgotten together with the change. Errors of writing are not: half of a record may be out.
func (p *publisher) leaveOut(c *cdc.Change, err error) error {
	var convert *envelope.ConvertError
	if !errors.As(err, &convert) {
		return err
	}
	if p.onFailure == eventWarn {
		p.log.Warn("a change is left out, as event.processing.failure.handling.mode says", "table", c.Relation.Schema+"."+c.Relation.Name, "lsn", c.LSN, "error", err)
	}
	return nil
}
