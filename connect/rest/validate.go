package rest

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/tandem-cdc/tandem/connect"
)

// infosBody is Kafka Connect's ConfigInfos.
type infosBody struct {
	Name    string     `json:"name"`
	Errors  int        `json:"error_count"`
	Groups  []string   `json:"groups"`
	Configs []infoBody `json:"configs"`
}

type infoBody struct {
	Definition *definitionBody `json:"definition"`
	Value      valueBody       `json:"value"`
}

// valueBody is Kafka Connect's ConfigValueInfo.
type valueBody struct {
	Name        string   `json:"name"`
	Value       *string  `json:"value"`
	Recommended []string `json:"recommended_values"`
	Errors      []string `json:"errors"`
	Visible     bool     `json:"visible"`
}

// validate is PUT /connector-plugins/{plugin}/config/validate: 200 with whatever is wrong at its option. A configuration that no connector can be
// found by is an error of its own.
func (a *api) validate(c *call) (answer, error) {
	var body *options
	if err := c.decode(&body); err != nil {
		return answer{}, err
	}
	if body == nil {
		return answer{}, errors.New("the request has no body; want an object of options")
	}
	if class, given := body.texts["connector.class"]; given && !strings.HasSuffix(pluginStem(class), pluginStem(c.name)) {
		return answer{}, &connect.RefusedError{Why: connect.Invalid, Message: fmt.Sprintf("Included connector type %s does not match request type %s", class, c.name)}
	}
	infos, err := a.herder.Validate(c.Context(), connect.Request{Name: body.texts["name"], Config: body.texts, Null: body.null})
	if err != nil {
		return answer{}, validationError(err)
	}
	out := infosBody{Name: infos.Name, Errors: infos.Errors, Groups: append([]string{}, infos.Groups...), Configs: make([]infoBody, len(infos.Configs))}
	for i, info := range infos.Configs {
		v := info.Value
		out.Configs[i] = infoBody{definitionOf(info.Definition), valueBody{v.Name, v.Value, append([]string{}, v.Recommended...), append([]string{}, v.Errors...), v.Visible}}
	}
	return answer{status: http.StatusOK, body: out}, nil
}

// validationError is what the validation of a configuration without a connector answers: 500, for the refusal reaches Kafka Connect's resource
// wrapped up.
func validationError(err error) error {
	var refused *connect.RefusedError
	if errors.As(err, &refused) && refused.Why == connect.Internal && strings.HasPrefix(refused.Message, "Invalid value ") { // an override of another type
		return &connect.RefusedError{Why: connect.Internal, Message: "org.apache.kafka.common.config.ConfigException: " + refused.Message}
	}
	var thrown interface {
		Exception() (class, message string)
	}
	if refused == nil && errors.As(err, &thrown) { // by a config provider
		class, message := thrown.Exception()
		return &connect.RefusedError{Why: connect.Internal, Message: class + ": " + message}
	}
	if refused == nil || refused.Why != connect.Invalid {
		return err
	}
	const wrapped = "org.apache.kafka.connect.runtime.rest.errors.BadRequestException: "
	cause := ""
	if strings.HasPrefix(refused.Message, "Failed to find any class") || strings.HasPrefix(refused.Message, "More than one connector") {
		cause = "org.apache.kafka.connect.errors.ConnectException: "
	}
	return &connect.RefusedError{Why: connect.Internal, Message: wrapped + cause + refused.Message}
}

// pluginStem is a class or an alias without "Connector" at its end.
func pluginStem(name string) string {
	if stem := strings.TrimSuffix(name, "Connector"); stem != "" {
		return stem
	}
	return name
}
