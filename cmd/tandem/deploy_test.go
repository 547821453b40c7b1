package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tandem-cdc/tandem/connect"
)

const top = "../.."

// TestComposeFiles checks what docker-compose.yml mounts, and that the worker and the connectors take it.
func TestComposeFiles(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(top, "docker-compose.yml"))
	if err != nil {
		t.Fatal(err)
	}
	mounts := regexp.MustCompile(`(?m)^\s+- \./(\S+?):/\S+$`).FindAllStringSubmatch(string(text), -1)
	if len(mounts) < 4 {
		t.Fatalf("docker-compose.yml mounts %q, want 4 of our files at least", mounts)
	}
	for _, m := range mounts {
		if _, err := os.Stat(filepath.Join(top, m[1])); err != nil {
			t.Errorf("docker-compose.yml mounts %s: %v", m[1], err)
		}
	}
	if dockerfile := regexp.MustCompile(`dockerfile: (\S+)`).FindStringSubmatch(string(text)); dockerfile == nil {
		t.Error("docker-compose.yml builds no image")
	} else if _, err := os.Stat(filepath.Join(top, dockerfile[1])); err != nil {
		t.Error(err)
	}
	for _, m := range regexp.MustCompile(`- /etc/tandem/(\S+)`).FindAllStringSubmatch(string(text), -1) {
		checkProperties(t, filepath.Join(top, "deploy/bikestore", m[1]))
	}
	for _, service := range regexp.MustCompile(`(?m)^(?:key|value)\.converter\.schema\.registry\.url=http://(\w+):`).FindAllStringSubmatch(read(t, "deploy/bikestore/worker.properties"), -1) {
		if !strings.Contains(string(text), "\n  "+service[1]+":\n") {
			t.Errorf("worker.properties names the host %s, which is no service", service[1])
		}
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(top, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func checkProperties(t *testing.T, file string) {
	t.Helper()
	if strings.HasPrefix(filepath.Base(file), "worker") {
		_, report, err := connect.ReadWorkerConfig(file, nil)
		if err != nil || len(report.Warnings) > 0 {
			t.Errorf("%s: %v, warnings %v", file, err, report.Warnings)
		}
		return
	}
	req, err := connect.ReadConnectorFile(file)
	if err != nil {
		t.Error(err)
		return
	}
	known := false
	for _, p := range plugins().Sources {
		if p.Class == req.Config["connector.class"] {
			known = true
			if report := p.Validate(req.Config); len(report.Errors)+len(report.Warnings) > 0 {
				t.Errorf("%s: errors %v, warnings %v", file, report.Errors, report.Warnings)
			}
		}
	}
	for _, p := range plugins().Sinks {
		if p.Class == req.Config["connector.class"] {
			known = true
			if report := p.Validate(req.Config); len(report.Errors) > 0 {
				t.Errorf("%s: errors %v", file, report.Errors)
			}
		}
	}
	if !known {
		t.Errorf("%s: class %s is none of ours", file, req.Config["connector.class"])
	}
}

// TestDockerfile checks what can be checked without a Docker engine: what it copies and builds is there, and it does not run as root.
func TestDockerfile(t *testing.T) {
	text := read(t, "deploy/Dockerfile")
	if version := regexp.MustCompile(`golang:([\d.]+)`).FindStringSubmatch(text); version == nil || !strings.Contains(read(t, "go.mod"), "\ngo "+version[1]) {
		t.Errorf("deploy/Dockerfile builds with Go %v, go.mod wants another", version)
	}
	for _, want := range []string{"./cmd/tandem", "USER 65532", "CGO_ENABLED=0"} {
		if !strings.Contains(text, want) {
			t.Errorf("deploy/Dockerfile lacks %q", want)
		}
	}
}
