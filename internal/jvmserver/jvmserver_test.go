package jvmserver

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestJavaOfJavaHome(t *testing.T) {
	home := t.TempDir()
	java := filepath.Join(home, "bin", "java")
	if err := os.MkdirAll(filepath.Dir(java), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(java, []byte("#!/bin/sh\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("JAVA_HOME", home)
	for version, want := range map[string]bool{"25.0.3": true, "21": true, "17.0.15": false, "1.8.0_402": false} {
		release := fmt.Sprintf("IMPLEMENTOR=\"x\"\nJAVA_VERSION=\"%s\"\n", version)
		if err := os.WriteFile(filepath.Join(home, "release"), []byte(release), 0o644); err != nil {
			t.Fatal(err)
		}
		got, err := Java()
		if (got == java) != want {
			t.Errorf("Java() with JAVA_VERSION=%s = %q, %v, chosen is wanted to be %v", version, got, err, want)
		}
		if err != nil && !strings.Contains(err.Error(), "JAVA_HOME") {
			t.Errorf("Java() = %v, want the remedy in it", err)
		}
	}
}

func TestFetched(t *testing.T) {
	t.Setenv("TANDEM_JVM_CACHE", filepath.Join(t.TempDir(), "cache"))
	boom := errors.New("boom")
	if _, err := fetched(t.Context(), "x", func(_ context.Context, dir string) error {
		return errors.Join(boom, os.WriteFile(filepath.Join(dir, "half"), nil, 0o644))
	}); !errors.Is(err, boom) {
		t.Fatalf("fetched = %v, want %v", err, boom)
	}
	calls := 0
	for range 2 {
		dir, err := fetched(t.Context(), "x", func(_ context.Context, dir string) error {
			calls++
			return os.WriteFile(filepath.Join(dir, "whole"), nil, 0o644)
		})
		if err != nil {
			t.Fatal(err)
		}
		entries, err := os.ReadDir(dir)
		if err != nil || len(entries) != 1 || entries[0].Name() != "whole" {
			t.Errorf("folder holds %v, %v, want whole alone", entries, err)
		}
	}
	if calls != 1 {
		t.Errorf("fetched %d times, want 1", calls)
	}
	cache, err := Cache()
	if err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(cache); err != nil || len(entries) != 1 {
		t.Errorf("cache holds %v, %v, want x alone", entries, err)
	}
}

func TestMavenIsMissing(t *testing.T) {
	t.Setenv("TANDEM_JVM_CACHE", t.TempDir())
	t.Setenv("PATH", t.TempDir())
	_, err := fetchKafka(t.Context())
	if err == nil || !strings.Contains(err.Error(), "mvn is not in PATH") || !strings.Contains(err.Error(), "kafka-"+KafkaVersion) {
		t.Errorf("fetchKafka without mvn = %v, want an error that says so", err)
	}
}

func TestUnpack(t *testing.T) {
	for name, works := range map[string]bool{"app/lib/a.jar": true, "../evil": false, "/etc/evil": false} {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		w := tar.NewWriter(z)
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: 2, Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte("hi")); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(w.Close(), z.Close()); err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		archive := filepath.Join(dir, "a.tar.gz")
		if err := os.WriteFile(archive, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		err := unpack(archive, filepath.Join(dir, "out"), "")
		if (err == nil) != works {
			t.Errorf("unpack(%q) = %v, success is wanted to be %v", name, err, works)
		}
		if text, err := os.ReadFile(filepath.Join(dir, "out", name)); works && string(text) != "hi" {
			t.Errorf("%s = %q, %v, want hi", name, text, err)
		}
	}
}
