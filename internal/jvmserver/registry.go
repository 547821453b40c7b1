package jvmserver

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
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
	Dir           string // for schemas and log; empty: a temporary one, removed by Close
	// Certificate and Key are files in PEM form, with which it speaks TLS alone. The chain is for 127.0.0.1 and ends with its authority.
	Certificate, Key string
}

// Registry is an Apicurio Registry that keeps its schemas in a file.
type Registry struct {
	options          RegistryOptions
	java, app        string
	dir              string
	temporary        bool
	port, management int
	process          *process // nil: stopped
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
	r := &Registry{options: o, java: java, app: app, dir: dir, temporary: temporary, port: ports[0], management: ports[1]}
	err = r.Start(ctx)
	if err == nil {
		err = r.call(ctx, "PUT", r.URL()+"/config", `{"compatibility":"`+cmp.Or(o.Compatibility, "BACKWARD")+`"}`)
	}
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// Start starts the registry, again after Stop, and returns when it answers.
func (r *Registry) Start(ctx context.Context) error {
	if r.process != nil {
		return errors.New("start registry: it is running")
	}
	args := []string{"-Xms64m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
		"-Dapicurio.datasource.url=jdbc:h2:file:" + filepath.Join(r.dir, "schemas"), // in memory else
		"-Dquarkus.http.host=127.0.0.1", "-Dquarkus.log.level=WARN",
		"-Dquarkus.management.host=127.0.0.1", fmt.Sprintf("-Dquarkus.management.port=%d", r.management)} // 9000 else
	args = append(args, r.listen()...)
	p, err := launch("registry", r.java, r.dir, append(args, "-jar", filepath.Join(r.app, "quarkus-run.jar"))...)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	if err := p.await(ctx, func(ctx context.Context) error { return r.call(ctx, "GET", r.URL()+"/subjects", "") }); err != nil {
		return errors.Join(err, p.kill())
	}
	r.process = p
	return nil
}

// listen are the properties of its port.
func (r *Registry) listen() []string {
	if r.options.Certificate == "" {
		return []string{fmt.Sprintf("-Dquarkus.http.port=%d", r.port)}
	}
	return []string{fmt.Sprintf("-Dquarkus.http.ssl-port=%d", r.port), "-Dquarkus.http.insecure-requests=disabled",
		"-Dquarkus.http.ssl.certificate.files=" + r.options.Certificate, "-Dquarkus.http.ssl.certificate.key-files=" + r.options.Key}
}

// call sends a request of its own.
func (r *Registry) call(ctx context.Context, method, url, body string) error {
	transport := &http.Transport{DisableKeepAlives: true}
	if r.options.Certificate != "" {
		chain, err := os.ReadFile(r.options.Certificate)
		if err != nil {
			return err
		}
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(chain)
		transport.TLSClientConfig = &tls.Config{RootCAs: pool}
	}
	return call(ctx, &http.Client{Transport: transport}, method, url, body)
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
func (r *Registry) URL() string {
	scheme := "http"
	if r.options.Certificate != "" {
		scheme = "https"
	}
	return fmt.Sprintf("%s://127.0.0.1:%d/apis/ccompat/v7", scheme, r.port)
}

// Stop ends the registry in order. Schemas and address stay.
func (r *Registry) Stop() error { return r.end((*process).stop) }

func (r *Registry) end(how func(*process) error) error {
	if r.process == nil {
		return nil
	}
	err := how(r.process)
	r.process = nil
	return err
}

// Close ends the registry and forgets its schemas, if the folder is a temporary one.
func (r *Registry) Close() error {
	err := r.end((*process).kill)
	if r.temporary {
		err = errors.Join(err, os.RemoveAll(r.dir))
	}
	return err
}
