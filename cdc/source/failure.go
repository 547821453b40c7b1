package source

import (
	"errors"

	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/envelope"
)

// leaveOut serves event.processing.failure.handling.mode: an error that is the change's own, since its values do not fit its table's schema, is
// forgotten together with the change, unless the mode is fail.
func (p *publisher) leaveOut(c *cdc.Change, err error) error {
	if err == nil || p.onFailure == eventFail || p.onFailure == "" {
		return err
	}
	var convert *envelope.ConvertError
	if !errors.As(err, &convert) {
		return err
	}
	if p.onFailure == eventWarn {
		p.log.Warn("a change is left out, as event.processing.failure.handling.mode says", "table", c.Relation.Schema+"."+c.Relation.Name, "lsn", c.LSN, "error", err)
	}
	return nil
}
