package connect

import (
	"strings"

	"github.com/tandem-cdc/tandem/internal/config"
)

// Distributed is what validation has to know of a worker that shares its work with others, or delivers exactly once.
type Distributed struct {
	Group       string // group.id of the workers; "": there is no such group
	ExactlyOnce bool   // exactly.once.source.support=enabled
}

// InGroup makes the worker validate as one of several. To be called before Run.
func (w *Worker) InGroup(d Distributed) { w.distributed = &d }

// checkMode looks at what only concerns a worker in a group.
func (w *Worker) checkMode(c *connector, r *config.Report) {
	if w.distributed == nil {
		if c.plugin.Kind == KindSource {
			checkAlone(c.props, r)
		}
		return
	}
	if c.plugin.Kind == KindSink {
		w.distributed.checkGroup(c, r)
		return
	}
	w.distributed.checkExactlyOnce(c, r)
	if w.distributed.ExactlyOnce {
		checkOnceOverrides(c.props, r)
	}
}

// checkGroup keeps a sink's consumer group apart from the workers'.
func (d *Distributed) checkGroup(c *connector, r *config.Report) {
	if d.Group == "" {
		return
	}
	const option = "consumer.override.group.id"
	if group, given := c.props[option]; given {
		if group == d.Group {
			r.Fail(option, "Consumer group %s conflicts with Connect worker group %s", group, d.Group)
		}
		return
	}
	if "connect-"+c.config.Name == d.Group {
		r.Fail("name", "Consumer group for sink connector named %s conflicts with Connect worker group %s", c.config.Name, d.Group)
	}
}

func (d *Distributed) checkExactlyOnce(c *connector, r *config.Report) {
	const support, boundary = "exactly.once.support", "transaction.boundary"
	if strings.EqualFold(strings.TrimSpace(c.props[support]), "required") {
		if !d.ExactlyOnce {
			r.Fail(support, "This worker does not have exactly-once source support enabled.")
		}
		switch able := c.plugin.source.ExactlyOnce; {
		case able == nil:
			r.Fail(support, "The connector does not implement the API required for preflight validation of exactly-once source support. Please consult the documentation for the connector "+
				"to determine whether it supports exactly-once semantics, and then consider reconfiguring the connector to use the value \"requested\" for this property (which will disable this "+
				"preflight check and allow the connector to be created).")
		case !able(c.props):
			r.Fail(support, "The connector does not support exactly-once semantics with the provided configuration.")
		}
	}
	if strings.EqualFold(strings.TrimSpace(c.props[boundary]), string(BoundaryConnector)) && !c.plugin.source.DefinesTransactions {
		r.Fail(boundary, "The connector does not support connector-defined transaction boundaries with the given configuration. Please reconfigure it to use a different transaction boundary definition.")
	}
}
