package jvmserver

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/tandem-cdc/tandem/internal/childserver"
)

// distribution is the archive that holds the two jars of the Avro translation; they are published nowhere else.
const distribution = "io.debezium:debezium-server-dist:3.6.0.Final:tar.gz"

// copyVersion is that of a maven-dependency-plugin that copies an artifact whose parent is not published: newer ones refuse.
const copyVersion = "2.8"

// Oracle is the program of testdata/oracle: it runs the real Debezium PostgreSQL connector over case folders and writes what it emits.
type Oracle struct {
	java, classpath string
}

// PrepareOracle fetches what the program in the folder sources needs, compiles it, and keeps both in the cache. It needs a JDK, and Maven
// when the cache does not have it yet.
func PrepareOracle(ctx context.Context, sources string) (*Oracle, error) {
	java, err := Java()
	if err != nil {
		return nil, err
	}
	version := sha256.New()
	sources, err = filepath.Abs(sources)
	if err != nil {
		return nil, err
	}
	files, err := filepath.Glob(filepath.Join(sources, "*.java"))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("prepare the oracle: no *.java in %s", sources)
	}
	pom := filepath.Join(sources, "pom.xml")
	poms, err := os.ReadFile(pom)
	if err != nil {
		return nil, fmt.Errorf("prepare the oracle: %w", err)
	}
	version.Write(poms)
	jars, err := fetched(ctx, "oracle-jars-"+digest(version.Sum(nil)), func(ctx context.Context, dir string) error { return fetchOracle(ctx, pom, dir) })
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			return nil, fmt.Errorf("prepare the oracle: %w", err)
		}
		version.Write(text)
	}
	classpath := filepath.Join(jars, "*")
	classes, err := fetched(ctx, "oracle-"+digest(version.Sum(nil)), func(ctx context.Context, dir string) error {
		args := append([]string{"-nowarn", "-d", dir, "-cp", classpath}, files...)
		out, err := exec.CommandContext(ctx, filepath.Join(filepath.Dir(java), "javac"), args...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("javac: %w\n%s", err, childserver.Tail(out, 20))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &Oracle{java: java, classpath: classes + string(os.PathListSeparator) + classpath}, nil
}

func digest(sum []byte) string { return hex.EncodeToString(sum[:8]) }

// fetchOracle copies the jars of the pom, and the two of the Avro translation, into dir.
func fetchOracle(ctx context.Context, pom, dir string) error {
	if err := maven(ctx, dir, "copy-dependencies", "-f", pom, "-DincludeScope=runtime", "-DoutputDirectory="+dir); err != nil {
		return err
	}
	download, err := os.MkdirTemp("", "tandem-mvn-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(download)
	if err := mavenPlugin(ctx, copyVersion, download, "copy", "-Dartifact="+distribution, "-DoutputDirectory="+download, "-Dmdep.stripVersion=true"); err != nil {
		return err
	}
	for _, pattern := range []string{"*/lib/apicurio-registry-utils-converter-*.jar", "*/lib/apicurio-registry-serde-common-avro-*.jar"} {
		if err := unpack(filepath.Join(download, "debezium-server-dist.tar.gz"), download, pattern); err != nil {
			return err
		}
		found, err := filepath.Glob(filepath.Join(download, pattern))
		if err != nil {
			return err
		}
		if len(found) != 1 {
			return fmt.Errorf("%s has %d files %s, want 1", distribution, len(found), pattern)
		}
		if err := os.Rename(found[0], filepath.Join(dir, filepath.Base(found[0]))); err != nil {
			return err
		}
	}
	return nil
}

// Recording says where and how the oracle runs.
type Recording struct {
	Host, Port, User, Password string // of PostgreSQL, a superuser
	Name                       string // of the database and the slot that it makes
	Kafka                      string // host:port of a broker, for cases that signal through one
	Out                        io.Writer
	Log                        io.Writer // of the connector: its errors
}

// Record writes next to each case, below the folders or the folders themselves, what the connector emits. The error tells that some
// could not be recorded; Out has said which.
func (o *Oracle) Record(ctx context.Context, r Recording, folders ...string) error {
	if _, err := exec.LookPath("psql"); err != nil {
		return errors.New("record: psql is not in PATH; the cases' SQL runs in it")
	}
	args := append([]string{"-Xmx1g", "-Duser.timezone=UTC", "-Dfile.encoding=UTF-8", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error",
		"-Dorg.slf4j.simpleLogger.logFile=System.err", "-cp", o.classpath, "Oracle"}, folders...)
	cmd := exec.CommandContext(ctx, o.java, args...)
	cmd.Stdout, cmd.Stderr = r.Out, r.Log
	cmd.Env = append(os.Environ(), "PGHOST="+r.Host, "PGPORT="+r.Port, "PGUSER="+r.User, "PGPASSWORD="+r.Password, "ORACLE_DB="+r.Name, "ORACLE_SLOT="+r.Name)
	if r.Kafka != "" {
		cmd.Env = append(cmd.Env, "ORACLE_KAFKA="+r.Kafka)
	}
	if err := RunGroup(cmd); err != nil { // psql ends with it, too
		return fmt.Errorf("record %s: %w", strings.Join(folders, " "), err)
	}
	return nil
}
