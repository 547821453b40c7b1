package rest

import (
	"net/http"

	"github.com/tandem-cdc/tandem/connect"
)

type healthBody struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

// health is GET /health.
func (a *api) health(c *call) (answer, error) {
	h := a.herder.Health(c.Context())
	status := http.StatusOK
	switch h.State {
	case connect.Starting:
		status = http.StatusServiceUnavailable
	case connect.Unhealthy:
		status = http.StatusInternalServerError
	}
	return answer{status: status, body: healthBody{string(h.State), h.Message}}, nil
}
