package jvmserver

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"

	"github.com/tandem-cdc/tandem/internal/childserver"
)

// Versions that are fetched.
const (
	KafkaVersion    = "4.3.1"
	RegistryVersion = "3.3.3"

	log4jVersion  = "2.25.4" // Kafka brings no logger of its own
	pluginVersion = "3.8.1"  // of maven-dependency-plugin
)

// Cache returns the folder of what was fetched: TANDEM_JVM_CACHE, or tandem/jvm in the user's cache.
func Cache() (string, error) {
	if dir := os.Getenv("TANDEM_JVM_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the cache of the user (or set TANDEM_JVM_CACHE): %w", err)
	}
	return filepath.Join(dir, "tandem", "jvm"), nil
}

// fetched returns the folder name of the cache, filled by fill if it is not there. It appears whole or not at all, so that several
// processes may fetch at the same time: one of them wins.
func fetched(ctx context.Context, name string, fill func(ctx context.Context, dir string) error) (string, error) {
	cache, err := Cache()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, name)
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	part, err := os.MkdirTemp(cache, name+".part-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(part)
	if err := fill(ctx, part); err != nil {
		return "", fmt.Errorf("fetch %s into %s: %w", name, cache, err)
	}
	if err := os.Rename(part, dir); err != nil {
		if _, other := os.Stat(dir); other == nil {
			return dir, nil
		}
		return "", err
	}
	return dir, nil
}

const kafkaPOM = `<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>tandem</groupId><artifactId>kafka</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>` + KafkaVersion + `</version></dependency>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>` + KafkaVersion + `</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>` + log4jVersion + `</version></dependency>
  </dependencies>
</project>
`

func fetchKafka(ctx context.Context) (string, error) {
	return fetched(ctx, "kafka-"+KafkaVersion, func(ctx context.Context, dir string) error {
		project, err := os.MkdirTemp("", "tandem-mvn-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(project)
		if err := os.WriteFile(filepath.Join(project, "pom.xml"), []byte(kafkaPOM), 0o644); err != nil {
			return err
		}
		return maven(ctx, project, "copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory="+dir)
	})
}

// kafkaPrograms finds Java, and fetches what runs in it.
func kafkaPrograms(ctx context.Context) (java, jars string, err error) {
	if java, err = Java(); err != nil {
		return "", "", err
	}
	jars, err = fetchKafka(ctx)
	return java, jars, err
}

func fetchRegistry(ctx context.Context) (string, error) {
	return fetched(ctx, "apicurio-"+RegistryVersion, func(ctx context.Context, dir string) error {
		download, err := os.MkdirTemp("", "tandem-mvn-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(download)
		artifact := "io.apicurio:apicurio-registry-app:" + RegistryVersion + ":tar.gz:all"
		if err := maven(ctx, download, "copy", "-Dartifact="+artifact, "-DoutputDirectory="+download); err != nil {
			return err
		}
		return unpack(filepath.Join(download, "apicurio-registry-app-"+RegistryVersion+"-all.tar.gz"), dir, "")
	})
}

// maven runs one goal of the dependency plugin.
func maven(ctx context.Context, dir, goal string, args ...string) error {
	return mavenPlugin(ctx, pluginVersion, dir, goal, args...)
}

func mavenPlugin(ctx context.Context, version, dir, goal string, args ...string) error {
	mvn, err := exec.LookPath("mvn")
	if err != nil {
		return errors.New("mvn is not in PATH: install Maven, or fill the cache on a machine that has it and set TANDEM_JVM_CACHE")
	}
	cmd := exec.CommandContext(ctx, mvn, append([]string{"-q", "-B", "org.apache.maven.plugins:maven-dependency-plugin:" + version + ":" + goal}, args...)...)
	cmd.Dir = dir
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("mvn %s: %w\n%s", goal, err, childserver.Tail(out.Bytes(), 20))
	}
	return nil
}

// unpack extracts the plain files of a tar.gz, or those that match a pattern of path.Match.
func unpack(archive, dir, pattern string) error {
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return fmt.Errorf("unpack %s: %w", archive, err)
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("unpack %s: %w", archive, err)
		}
		if wanted, err := path.Match(pattern, h.Name); err != nil || h.Typeflag != tar.TypeReg || pattern != "" && !wanted {
			continue
		}
		name := filepath.FromSlash(h.Name)
		if !filepath.IsLocal(name) {
			return fmt.Errorf("unpack %s: %q leads out of the folder", archive, h.Name)
		}
		if err := write(filepath.Join(dir, name), r); err != nil {
			return err
		}
	}
}

func write(path string, r io.Reader) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, r); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
