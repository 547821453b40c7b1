package rest

import (
	"crypto/subtle"
	"fmt"
	"net/http"
	"os"
	"regexp"

	"github.com/tandem-cdc/tandem/connect"
	"github.com/tandem-cdc/tandem/internal/config"
)

// basicAuth lets in who knows a name and its password; what workers ask of each other is signed instead. Nil lets everybody in.
type basicAuth struct{ passwords map[string]string }

// newBasicAuth reads the users.
func newBasicAuth(c *connect.RESTConfig) (*basicAuth, error) {
	if !c.BasicAuth {
		return nil, nil
	}
	text, err := os.ReadFile(c.BasicAuthFile)
	if err != nil {
		return nil, fmt.Errorf("read the users of the REST API: %w", err)
	}
	passwords, err := config.ParseProperties(string(text))
	if err != nil {
		return nil, fmt.Errorf("read the users of the REST API in %s: %w", c.BasicAuthFile, err)
	}
	if len(passwords) == 0 {
		return nil, fmt.Errorf("read the users of the REST API in %s: there are none; write a line NAME=PASSWORD for each", c.BasicAuthFile)
	}
	return &basicAuth{passwords}, nil
}

// betweenWorkers are the requests that are signed.
var betweenWorkers = regexp.MustCompile(`^/?connectors/[^/]+/(tasks|fence)/?$`)

func isBetweenWorkers(r *http.Request) bool {
	m := betweenWorkers.FindStringSubmatch(r.URL.Path)
	return m != nil && (m[1] == "tasks" && r.Method == http.MethodPost || m[1] == "fence" && r.Method == http.MethodPut)
}

// refused answers those who may not come in.
func (b *basicAuth) refused(rw http.ResponseWriter, r *http.Request) bool {
	if b == nil || isBetweenWorkers(r) {
		return false
	}
	name, password, given := r.BasicAuth()
	want, known := b.passwords[name]
	if given && known && subtle.ConstantTimeCompare([]byte(want), []byte(password)) == 1 {
		return false
	}
	rw.Header().Set("Content-Type", "text/plain")
	rw.WriteHeader(http.StatusUnauthorized)
	_, _ = rw.Write([]byte("User cannot access the resource.")) // a client that is gone needs no answer
	return true
}
