package rest

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/tandem-cdc/tandem/connect"
)

// loggerBody is Kafka Connect's LoggerLevel.
type loggerBody struct {
	Level    string `json:"level"`
	Modified *int64 `json:"last_modified"` // milliseconds since 1970; null: not since the start
}

func loggerOf(l connect.LoggerLevel) loggerBody {
	b := loggerBody{Level: l.Level}
	if !l.Modified.IsZero() {
		ms := l.Modified.UnixMilli()
		b.Modified = &ms
	}
	return b
}

// listLoggers is GET /admin/loggers.
func (a *api) listLoggers(c *call) (answer, error) {
	all := make(map[string]loggerBody)
	for _, l := range a.herder.Loggers(c.Context()) {
		all[l.Name] = loggerOf(l)
	}
	return answer{status: http.StatusOK, body: all}, nil
}

// getLogger is GET /admin/loggers/{logger}.
func (a *api) getLogger(c *call) (answer, error) {
	l, known := a.herder.Logger(c.Context(), c.name)
	if !known {
		return answer{}, &connect.RefusedError{Why: connect.NotFound, Message: fmt.Sprintf("Logger %s not found.", c.name)}
	}
	return answer{status: http.StatusOK, body: loggerOf(l)}, nil
}

// setLogger is PUT /admin/loggers/{logger}: in this worker, or with ?scope=cluster in all of them, which answers before they have done it.
func (a *api) setLogger(c *call) (answer, error) {
	var body *options
	if err := c.decode(&body); err != nil {
		return answer{}, err
	}
	if body == nil {
		return answer{}, errNoBody
	}
	level, given := body.texts["level"]
	if !given {
		return answer{}, &connect.RefusedError{Why: connect.Invalid, Message: "Desired 'level' parameter was not specified in request."}
	}
	cluster := strings.EqualFold(c.URL.Query().Get("scope"), "cluster")
	changed, err := a.herder.SetLogger(c.Context(), c.name, level, cluster)
	switch {
	case err != nil:
		return answer{}, err
	case cluster:
		return answer{status: http.StatusNoContent}, nil
	case changed == nil:
		changed = []string{}
	}
	return answer{status: http.StatusOK, body: changed}, nil
}
