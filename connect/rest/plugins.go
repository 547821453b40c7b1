package rest

import (
	"net/http"

	"github.com/tandem-cdc/tandem/connect"
)

type pluginBody struct {
	Class   string       `json:"class"`
	Type    connect.Kind `json:"type"`
	Version string       `json:"version,omitempty"`
}

// listPlugins is GET /connector-plugins.
func (a *api) listPlugins(*call) (answer, error) {
	plugins := []pluginBody{}
	for _, p := range a.worker.Plugins() {
		plugins = append(plugins, pluginBody{p.Class, p.Kind, p.Version})
	}
	return answer{status: http.StatusOK, body: plugins}, nil
}
