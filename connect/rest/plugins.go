package rest

import (
	"net/http"
	"strings"

	"github.com/tandem-cdc/tandem/connect"
	"github.com/tandem-cdc/tandem/internal/config"
)

type pluginBody struct {
	Class   string       `json:"class"`
	Type    connect.Kind `json:"type"`
	Version string       `json:"version,omitempty"`
}

// listPlugins is GET /connector-plugins: the connectors, or with ?connectorsOnly=false everything.
func (a *api) listPlugins(c *call) (answer, error) {
	only := true
	if given := c.URL.Query().Get("connectorsOnly"); given != "" { // whatever is not true is false
		only = strings.EqualFold(given, "true")
	}
	plugins := []pluginBody{}
	for _, p := range a.herder.Plugins() {
		if p.Kind.IsConnector() || !only {
			plugins = append(plugins, pluginBody{p.Class, p.Kind, p.Version})
		}
	}
	return answer{status: http.StatusOK, body: plugins}, nil
}

// definitionBody is Kafka Connect's ConfigKeyInfo.
type definitionBody struct {
	Name          string            `json:"name"`
	Type          config.Type       `json:"type"`
	Required      bool              `json:"required"`
	Default       *string           `json:"default_value"`
	Importance    config.Importance `json:"importance"`
	Documentation string            `json:"documentation"`
	Group         *string           `json:"group"`
	Order         int               `json:"order_in_group"`
	Width         config.Width      `json:"width"`
	DisplayName   string            `json:"display_name"`
	Dependents    []string          `json:"dependents"`
}

func definitionOf(d *config.Definition) *definitionBody {
	if d == nil {
		return nil
	}
	b := &definitionBody{d.Name, d.Type, d.Required, d.Default, d.Importance, d.Doc, nil, d.Order, d.Width, d.Label, append([]string{}, d.Dependents...)}
	if d.Group != "" {
		b.Group = &d.Group
	}
	return b
}

// pluginConfig is GET /connector-plugins/{plugin}/config.
func (a *api) pluginConfig(c *call) (answer, error) {
	version := "latest"
	if given, ok := c.URL.Query()["version"]; ok {
		version = given[0]
	}
	definitions, err := a.herder.PluginConfig(c.Context(), c.name, version)
	if err != nil {
		return answer{}, err
	}
	body := []*definitionBody{}
	for i := range definitions {
		body = append(body, definitionOf(&definitions[i]))
	}
	return answer{status: http.StatusOK, body: body}, nil
}
