package jvmserver

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Versions of the search servers: the newest whose HTTP transport is on Maven Central beside the server.
const (
	ElasticsearchVersion = "7.17.29"
	OpenSearchVersion    = "3.8.0"

	openSearchLog4j = "2.25.4" // it wants log4j-core at run time and does not bring it
)

// searchPrograms start a node inside of a JVM, for what Maven Central has is the servers' libraries, not their distributions. Java compiles them
// as it starts: they need a JDK, not a runtime alone. Started so, the servers do not look whether we are root.
//
//go:embed search/*.java
var searchPrograms embed.FS

// searchProduct is one of the two servers.
type searchProduct struct {
	name, version string
	program       string // in searchPrograms
	settings      string // file name
	jars          [][3]string
}

var (
	elasticsearchProduct = searchProduct{"elasticsearch", ElasticsearchVersion, "Elasticsearch.java", "elasticsearch.yml", [][3]string{
		{"org.elasticsearch", "elasticsearch", ElasticsearchVersion},
		{"org.elasticsearch.plugin", "transport-netty4-client", ElasticsearchVersion},
	}}
	openSearchProduct = searchProduct{"opensearch", OpenSearchVersion, "OpenSearch.java", "opensearch.yml", [][3]string{
		{"org.opensearch", "opensearch", OpenSearchVersion},
		{"org.opensearch.plugin", "transport-netty4-client", OpenSearchVersion},
		{"org.apache.logging.log4j", "log4j-core", openSearchLog4j},
	}}
)

// SearchOptions change a search server.
type SearchOptions struct {
	Settings map[string]string // of the node, such as "thread_pool.write.queue_size"
	Dir      string            // for data and log; empty: a temporary one, removed by Close
}

// Search is an Elasticsearch or an OpenSearch of one node, without security.
type Search struct {
	product    searchProduct
	java, jars string
	dir        string
	temporary  bool
	options    SearchOptions
	port       int
	process    *process // nil: stopped
}

// StartElasticsearch fetches and starts. It has no data streams: they are not in the free part.
func StartElasticsearch(ctx context.Context, o SearchOptions) (*Search, error) {
	return startSearch(ctx, elasticsearchProduct, o)
}

// StartOpenSearch fetches and starts.
func StartOpenSearch(ctx context.Context, o SearchOptions) (*Search, error) {
	return startSearch(ctx, openSearchProduct, o)
}

func startSearch(ctx context.Context, p searchProduct, o SearchOptions) (*Search, error) {
	java, err := Java()
	if err != nil {
		return nil, err
	}
	jars, err := p.fetch(ctx)
	if err != nil {
		return nil, err
	}
	ports, err := freePorts(1)
	if err != nil {
		return nil, err
	}
	dir, temporary, err := folder(o.Dir)
	if err != nil {
		return nil, err
	}
	s := &Search{product: p, java: java, jars: jars, dir: dir, temporary: temporary, options: o, port: ports[0]}
	if err = s.configure(); err == nil {
		err = s.Start(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// fetch returns the folder of the libraries and the program.
func (p searchProduct) fetch(ctx context.Context) (string, error) {
	return fetched(ctx, p.name+"-"+p.version, func(ctx context.Context, dir string) error {
		program, err := searchPrograms.ReadFile("search/" + p.program)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, p.program), program, 0o644); err != nil {
			return err
		}
		project, err := os.MkdirTemp("", "tandem-mvn-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(project)
		if err := os.WriteFile(filepath.Join(project, "pom.xml"), []byte(p.pom()), 0o644); err != nil {
			return err
		}
		return maven(ctx, project, "copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory="+dir)
	})
}

func (p searchProduct) pom() string {
	var b strings.Builder
	fmt.Fprintf(&b, "<project><modelVersion>4.0.0</modelVersion><groupId>tandem</groupId><artifactId>%s</artifactId><version>1</version><dependencies>\n", p.name)
	for _, jar := range p.jars {
		fmt.Fprintf(&b, "<dependency><groupId>%s</groupId><artifactId>%s</artifactId><version>%s</version></dependency>\n", jar[0], jar[1], jar[2])
	}
	b.WriteString("</dependencies></project>\n")
	return b.String()
}

// configure writes the settings.
func (s *Search) configure() error {
	config := filepath.Join(s.dir, "config")
	if err := os.MkdirAll(config, 0o755); err != nil {
		return err
	}
	settings := map[string]string{
		"cluster.name": "tandem", "node.name": "one", "discovery.type": "single-node",
		"path.home": s.dir, "path.data": filepath.Join(s.dir, "data"), "path.logs": filepath.Join(s.dir, "logs"),
		"http.host": "127.0.0.1", "http.port": fmt.Sprint(s.port), "http.type": "netty4",
		"transport.host": "127.0.0.1", "transport.port": "0", "transport.type": "netty4",
		"cluster.routing.allocation.disk.threshold_enabled": "false", // a full disk of the machine is not what is tested
	}
	for name, value := range s.options.Settings {
		settings[name] = value
	}
	var b strings.Builder
	for name, value := range settings {
		fmt.Fprintf(&b, "%s: %q\n", name, value)
	}
	return os.WriteFile(filepath.Join(config, s.product.settings), []byte(b.String()), 0o644)
}

// Start starts the server, again after Stop or Kill, and returns when it takes documents.
func (s *Search) Start(ctx context.Context) error {
	if s.process != nil {
		return fmt.Errorf("start %s: it is running", s.product.name)
	}
	p, err := launch(s.product.name, s.java, s.dir, "-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto",
		"-cp", filepath.Join(s.jars, "*"), filepath.Join(s.jars, s.product.program), filepath.Join(s.dir, "config"))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	ready := s.URL() + "/_cluster/health?wait_for_status=yellow&timeout=1s"
	if err := p.await(ctx, func(ctx context.Context) error { return call(ctx, client, "GET", ready, "") }); err != nil {
		return errors.Join(err, p.kill())
	}
	s.process = p
	return nil
}

// URL is the base of its API, without a slash at the end; it stays the same over Stop and Start.
func (s *Search) URL() string { return fmt.Sprintf("http://127.0.0.1:%d", s.port) }

// Stop ends the server in order. Data and address stay.
func (s *Search) Stop() error { return s.end((*process).stop) }

// Kill ends the server at once, as kill -9 does. Data and address stay.
func (s *Search) Kill() error { return s.end((*process).kill) }

// Pause stops the server in its tracks: connections stay, nothing is answered, until Resume.
func (s *Search) Pause() error { return suspend(s.process.Process) }

// Resume lets a paused server go on.
func (s *Search) Resume() error { return goOn(s.process.Process) }

func (s *Search) end(how func(*process) error) error {
	if s.process == nil {
		return nil
	}
	err := how(s.process)
	s.process = nil
	return err
}

// Close ends the server and removes its data, if the folder is a temporary one.
func (s *Search) Close() error {
	err := s.Kill() // nobody wants the data any more
	if !s.temporary {
		return err
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}
