package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/tandem-cdc/tandem/connect"
)

// connectorBody is Kafka Connect's ConnectorInfo.
type connectorBody struct {
	Name   string            `json:"name"`
	Config map[string]string `json:"config"`
	Tasks  []taskID          `json:"tasks"`
	Type   connect.Kind      `json:"type"`
}

type taskID struct {
	Connector string `json:"connector"`
	Task      int    `json:"task"`
}

func bodyOf(info connect.ConnectorInfo) connectorBody {
	b := connectorBody{Name: info.Name, Config: info.Config, Tasks: []taskID{}, Type: info.Kind}
	for _, t := range info.Tasks {
		b.Tasks = append(b.Tasks, taskID{info.Name, t})
	}
	return b
}

// listConnectors is GET /connectors: names, or with ?expand= an object of what was asked for, by name.
func (a *api) listConnectors(c *call) (answer, error) {
	names, err := a.herder.Names(c.Context())
	if err != nil {
		return answer{}, err
	}
	expand, expanded := c.URL.Query()["expand"]
	if !expanded {
		if names == nil {
			names = []string{}
		}
		return answer{status: http.StatusOK, body: names}, nil
	}
	all := make(map[string]map[string]any)
	for _, name := range names {
		parts := make(map[string]any)
		if slices.Contains(expand, "info") {
			info, err := a.herder.Info(c.Context(), name)
			if err != nil { // deleted meanwhile
				continue
			}
			parts["info"] = bodyOf(info)
		}
		if slices.Contains(expand, "status") {
			status, err := a.herder.Status(name)
			if err != nil {
				continue
			}
			parts["status"] = statusOf(status)
		}
		all[name] = parts
	}
	return answer{status: http.StatusOK, body: all}, nil
}

// createBody is the body of POST /connectors.
type createBody struct {
	Name         scalar   `json:"name"`
	Config       *options `json:"config"`
	InitialState *scalar  `json:"initial_state"`
}

func (b *createBody) UnmarshalJSON(raw []byte) error {
	return decodeFields(raw, map[string]any{"name": &b.Name, "config": &b.Config, "initial_state": &b.InitialState})
}

// createConnector is POST /connectors.
func (a *api) createConnector(c *call) (answer, error) {
	var body *createBody
	if err := c.decode(&body); err != nil {
		return answer{}, err
	}
	if body == nil {
		return answer{}, errors.New("the request has no body; want {\"name\": …, \"config\": {…}}")
	}
	if body.Config == nil {
		return answer{}, errors.New("the request has no \"config\"")
	}
	req := connect.Request{Name: strings.TrimFunc(body.Name.text, func(c rune) bool { return c <= ' ' }), Config: body.Config.texts, Null: body.Config.null}
	if body.InitialState != nil {
		state, err := connect.ParseInitialState(body.InitialState.text)
		if err != nil {
			return answer{}, fmt.Errorf("\"initial_state\": %w", err)
		}
		req.InitialState = state
	}
	info, err := a.herder.Create(c.Context(), req)
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusCreated, body: bodyOf(info), location: location(c, req.Name)}, nil
}

// getConnector is GET /connectors/{connector}.
func (a *api) getConnector(c *call) (answer, error) {
	info, err := a.herder.Info(c.Context(), c.name)
	return answer{status: http.StatusOK, body: bodyOf(info)}, err
}

// deleteConnector is DELETE /connectors/{connector}.
func (a *api) deleteConnector(c *call) (answer, error) {
	return answer{status: http.StatusNoContent}, a.herder.Delete(c.Context(), c.name)
}

// getConfig is GET /connectors/{connector}/config.
func (a *api) getConfig(c *call) (answer, error) {
	info, err := a.herder.Info(c.Context(), c.name)
	return answer{status: http.StatusOK, body: info.Config}, err
}

// putConfig is PUT /connectors/{connector}/config: it creates or changes.
func (a *api) putConfig(c *call) (answer, error) {
	var body *options
	if err := c.decode(&body); err != nil {
		return answer{}, err
	}
	if body == nil {
		return answer{}, errors.New("the request has no body; want an object of options")
	}
	info, created, err := a.herder.Put(c.Context(), connect.Request{Name: c.name, Config: body.texts, Null: body.null})
	if err != nil {
		return answer{}, err
	}
	out := answer{status: http.StatusOK, body: bodyOf(info)}
	if created {
		out.status, out.location = http.StatusCreated, location(c, c.name)
	}
	return out, nil
}

// patchConfig is PATCH /connectors/{connector}/config: it changes options; null removes one.
func (a *api) patchConfig(c *call) (answer, error) {
	var body *options
	if err := c.decode(&body); err != nil {
		return answer{}, err
	}
	if body == nil {
		if _, err := a.herder.Info(c.Context(), c.name); err != nil {
			return answer{}, err
		}
		return answer{}, errNoBody
	}
	changes := make(map[string]*string)
	for name, text := range body.texts {
		changes[name] = &text
	}
	for _, name := range body.null {
		changes[name] = nil
	}
	info, err := a.herder.Patch(c.Context(), c.name, changes)
	return answer{status: http.StatusOK, body: bodyOf(info)}, err
}

// location is where a connector is, on the host that the client called; its name is escaped only where a URI needs it.
func location(c *call, name string) string {
	path := url.URL{Path: "/connectors/" + name}
	escaped := unescapedHere.Replace(path.EscapedPath())
	escaped = escapedPercent.ReplaceAllString(escaped, "%$1") // what looks escaped is left
	return scheme(c.Request) + "://" + c.Host + escaped
}

// unescapedHere are characters that RFC 3986 lets stand in a segment and net/url escapes.
var unescapedHere = strings.NewReplacer("%21", "!", "%27", "'", "%28", "(", "%29", ")", "%2A", "*")

var escapedPercent = regexp.MustCompile("%25([0-9A-Fa-f]{2})")

// scalar takes a JSON text, number or boolean as text, as Jackson does for a String; null is "".
type scalar struct {
	text string
	null bool
}

func (s *scalar) UnmarshalJSON(raw []byte) error {
	switch raw = bytes.TrimSpace(raw); raw[0] {
	case '{', '[':
		return fmt.Errorf("want a text, got %s", raw)
	case 'n':
		s.null = true
	default:
		s.text = connect.JSONScalar(raw)
	}
	return nil
}

// options is an object of options; those that are null stand apart.
type options struct {
	texts map[string]string
	null  []string
}

func (o *options) UnmarshalJSON(raw []byte) error {
	var scalars map[string]scalar
	if err := json.Unmarshal(raw, &scalars); err != nil {
		return err
	}
	o.texts = make(map[string]string, len(scalars))
	for name, s := range scalars {
		if s.null {
			o.null = append(o.null, name)
		} else {
			o.texts[name] = s.text
		}
	}
	slices.Sort(o.null)
	return nil
}
