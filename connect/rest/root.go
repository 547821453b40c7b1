package rest

import (
	"net/http"
	"runtime/debug"

	"github.com/tandem-cdc/tandem/connect"
)

type rootBody struct {
	Version   string  `json:"version"`
	Commit    string  `json:"commit"`
	ClusterID *string `json:"kafka_cluster_id"`
}

// root is GET /: every user interface asks here whether the worker lives.
func (a *api) root(*call) (answer, error) {
	body := rootBody{Version: connect.Version, Commit: commit()}
	if id := a.herder.ClusterID(); id != "" {
		body.ClusterID = &id
	}
	return answer{status: http.StatusOK, body: body}, nil
}

// commit is the revision that this program was built from, in sixteen digits as Kafka's.
func commit() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" && len(s.Value) >= 16 {
				return s.Value[:16]
			}
		}
	}
	return "unknown"
}
