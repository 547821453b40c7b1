package jvmserver

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// RegistryOptions change a registry.
type RegistryOptions struct {
	// Compatibility is the rule for all subjects; empty: BACKWARD, which is the default of Confluent's registry. Apicurio's own is NONE.
	Compatibility string
	Dir           string // for the log; empty: a temporary one, removed by Close
}

// Registry is an Apicurio Registry that keeps its schemas in memory.
type Registry struct {
	dir       string
	temporary bool
	port      int
	process   *process
}

// StartRegistry fetches and starts.
func StartRegistry(ctx context.Context, o RegistryOptions) (*Registry, error) {
	java, err := Java()
	if err != nil {
		return nil, err
	}
	app, err := fetchRegistry(ctx)
	if err != nil {
		return nil, err
	}
	ports, err := freePorts(2)
	if err != nil {
		return nil, err
	}
	dir, temporary, err := folder(o.Dir)
	if err != nil {
		return nil, err
	}
	r := &Registry{dir: dir, temporary: temporary, port: ports[0]}
	if err := r.start(ctx, java, app, ports[1], o); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

func (r *Registry) start(ctx context.Context, java, app string, management int, o RegistryOptions) (err error) {
	r.process, err = launch("registry", java, r.dir, "-Xms64m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
		"-Dquarkus.http.host=127.0.0.1", fmt.Sprintf("-Dquarkus.http.port=%d", r.port), "-Dquarkus.log.level=WARN",
		"-Dquarkus.management.host=127.0.0.1", fmt.Sprintf("-Dquarkus.management.port=%d", management), // 9000 else
		"-jar", filepath.Join(app, "quarkus-run.jar"))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	if err := r.process.await(ctx, func(ctx context.Context) error { return call(ctx, client, "GET", r.URL()+"/subjects", "") }); err != nil {
		return err
	}
	rule := o.Compatibility
	if rule == "" {
		rule = "BACKWARD"
	}
	return call(ctx, client, "PUT", r.URL()+"/config", `{"compatibility":"`+rule+`"}`)
}

func call(ctx context.Context, client *http.Client, method, url, body string) error {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s", method, url, res.Status)
	}
	return nil
}

// URL is the base of the API that Confluent's registry has, without a slash at the end.
func (r *Registry) URL() string { return fmt.Sprintf("http://127.0.0.1:%d/apis/ccompat/v7", r.port) }

// Log is the path of the log.
func (r *Registry) Log() string { return filepath.Join(r.dir, "registry.log") }

// Close ends the registry and forgets its schemas.
func (r *Registry) Close() error {
	var err error
	if r.process != nil {
		err = r.process.kill()
		r.process = nil
	}
	if r.temporary {
		err = errors.Join(err, os.RemoveAll(r.dir))
	}
	return err
}
