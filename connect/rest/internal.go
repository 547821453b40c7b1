package rest

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/tandem-cdc/tandem/connect"
)

// Headers of requests between workers.
const (
	signatureHeader = "X-Connect-Authorization"               // base64
	algorithmHeader = "X-Connect-Request-Signature-Algorithm" // of that
)

// postTasks is POST /connectors/{connector}/tasks: the worker that runs a connector brings the leader its tasks' configurations.
func (a *api) postTasks(c *call) (answer, error) {
	var bodies []options
	if err := c.decode(&bodies); err != nil {
		return answer{}, err
	}
	configs := make([]map[string]string, len(bodies))
	for i, b := range bodies {
		configs[i] = b.texts
	}
	auth, err := c.auth()
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusNoContent}, a.herder.PutTaskConfigs(c.Context(), c.name, configs, auth)
}

// fence is PUT /connectors/{connector}/fence: a worker asks the leader to shut out the tasks that ran before.
func (a *api) fence(c *call) (answer, error) {
	if _, err := c.readBody(); err != nil {
		return answer{}, err
	}
	auth, err := c.auth()
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusNoContent}, a.herder.Fence(c.Context(), c.name, auth)
}

// algorithms are Java's names of those that a request may be signed with; which of them this cluster takes is the herder's matter.
var algorithms = []string{"HmacMD5", "HmacSHA1", "HmacSHA224", "HmacSHA256", "HmacSHA384", "HmacSHA512"}

// auth is what the request is signed with; one that lacks a header is not signed.
func (c *call) auth() (connect.InternalAuth, error) {
	auth := connect.InternalAuth{Body: c.body}
	signature, algorithm := c.Header.Get(signatureHeader), c.Header.Get(algorithmHeader)
	if signature == "" || algorithm == "" {
		return auth, nil
	}
	if !slices.ContainsFunc(algorithms, func(known string) bool { return strings.EqualFold(known, algorithm) }) {
		return auth, &connect.RefusedError{Why: connect.Invalid, Message: fmt.Sprintf("Algorithm %s not available", algorithm)}
	}
	raw, err := base64.StdEncoding.DecodeString(signature)
	if at := base64.CorruptInputError(0); errors.As(err, &at) && int(at) < len(signature) {
		return auth, &connect.RefusedError{Why: connect.Invalid, Message: fmt.Sprintf("Illegal base64 character %x", signature[at])}
	} else if err != nil {
		return auth, &connect.RefusedError{Why: connect.Invalid, Message: "the signature in " + signatureHeader + " is no base64: " + err.Error()}
	}
	auth.Signature, auth.Algorithm = raw, algorithm
	return auth, nil
}
