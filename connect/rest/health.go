package rest

import "net/http"

type healthBody struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

// health is GET /health.
func (a *api) health(*call) (answer, error) {
	if !a.worker.Ready() {
		return answer{status: http.StatusServiceUnavailable, body: healthBody{"starting", "Worker is still starting up."}}, nil
	}
	return answer{status: http.StatusOK, body: healthBody{"healthy", "Worker has completed startup and is ready to handle requests."}}, nil
}
