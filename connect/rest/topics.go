package rest

import (
	"net/http"

	"github.com/tandem-cdc/tandem/connect"
)

type topicsBody struct {
	Topics []string `json:"topics"`
}

// getTopics is GET /connectors/{connector}/topics: an unknown connector uses none.
func (a *api) getTopics(c *call) (answer, error) {
	if !a.herder.Config().TopicTracking {
		return answer{}, &connect.RefusedError{Why: connect.Forbidden, Message: "Topic tracking is disabled."}
	}
	topics, err := a.herder.Topics(c.name)
	if topics == nil {
		topics = []string{}
	}
	return answer{status: http.StatusOK, body: map[string]topicsBody{c.name: {topics}}}, err
}

// resetTopics is PUT /connectors/{connector}/topics/reset.
func (a *api) resetTopics(c *call) (answer, error) {
	cfg := a.herder.Config()
	if !cfg.TopicTracking {
		return answer{}, &connect.RefusedError{Why: connect.Forbidden, Message: "Topic tracking is disabled."}
	}
	if !cfg.TopicTrackingReset {
		return answer{}, &connect.RefusedError{Why: connect.Forbidden, Message: "Topic tracking reset is disabled."}
	}
	return answer{status: http.StatusAccepted}, a.herder.ResetTopics(c.Context(), c.name)
}
