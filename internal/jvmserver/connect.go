package jvmserver

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// DebeziumVersion is the version of the PostgreSQL connector that DebeziumPlugins fetches.
const DebeziumVersion = "3.7.0.Final"

const debeziumPOM = `<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>tandem</groupId><artifactId>debezium</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>io.debezium</groupId><artifactId>debezium-connector-postgres</artifactId><version>` + DebeziumVersion + `</version></dependency>
  </dependencies>
</project>
`

// DebeziumPlugins fetches Debezium's PostgreSQL connector and returns a folder for plugin.path.
func DebeziumPlugins(ctx context.Context) (string, error) {
	// What Kafka Connect brings is not the plugin's.
	return plugins(ctx, "debezium-"+DebeziumVersion, debeziumPOM, "debezium-connector-postgres", "-DexcludeGroupIds=org.apache.kafka,org.slf4j")
}

const filePOM = `<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>tandem</groupId><artifactId>file</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>connect-file</artifactId><version>` + KafkaVersion + `</version></dependency>
  </dependencies>
</project>
`

// FilePlugins fetches Kafka Connect's FileStream connectors and returns a folder for plugin.path.
func FilePlugins(ctx context.Context) (string, error) {
	return plugins(ctx, "connect-file-"+KafkaVersion, filePOM, "connect-file", "-DincludeArtifactIds=connect-file")
}

// plugins fetches what a Maven project depends on, as far as the option of the dependency plugin says, into the folder sub.
func plugins(ctx context.Context, name, pom, sub, which string) (string, error) {
	return fetched(ctx, name, func(ctx context.Context, dir string) error {
		project, err := os.MkdirTemp("", "tandem-mvn-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(project)
		if err := os.WriteFile(filepath.Join(project, "pom.xml"), []byte(pom), 0o644); err != nil {
			return err
		}
		return maven(ctx, project, "copy-dependencies", "-DincludeScope=runtime", which, "-DoutputDirectory="+filepath.Join(dir, sub))
	})
}

// Connect is a worker of Kafka Connect, standalone or of a group.
type Connect struct {
	JVM []string // options of the JVM; none: small and quick to start

	java, jars, dir string
	process         *process // nil: stopped
}

// NewConnect fetches the worker; its log is written into dir, as connect.log.
func NewConnect(ctx context.Context, dir string) (*Connect, error) {
	java, jars, err := kafkaPrograms(ctx)
	if err != nil {
		return nil, err
	}
	return &Connect{java: java, jars: jars, dir: dir}, os.WriteFile(filepath.Join(dir, "connect-log4j2.xml"), []byte(connectLog4j), 0o644)
}

const connectLog4j = `<Configuration>
  <Appenders><Console name="out"><PatternLayout pattern="[%d] %p %m (%c)%n"/></Console></Appenders>
  <Loggers>
    <Root level="WARN"><AppenderRef ref="out"/></Root>
    <Logger name="io.debezium.connector" level="INFO"/>
  </Loggers>
</Configuration>
`

// Start runs connect-standalone with a worker's and connectors' files, and returns when ready says so.
func (c *Connect) Start(ctx context.Context, ready func(context.Context) error, files ...string) error {
	return c.start(ctx, ready, "ConnectStandalone", files...)
}

// StartDistributed runs connect-distributed with a worker's file, and returns when ready says so.
func (c *Connect) StartDistributed(ctx context.Context, ready func(context.Context) error, file string) error {
	return c.start(ctx, ready, "ConnectDistributed", file)
}

func (c *Connect) start(ctx context.Context, ready func(context.Context) error, class string, files ...string) error {
	if c.process != nil {
		return errors.New("start connect: it is running")
	}
	jvm := c.JVM
	if len(jvm) == 0 {
		jvm = []string{"-Xms64m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"}
	}
	args := slices.Concat(jvm, []string{"-cp", filepath.Join(c.jars, "*"), "-Dlog4j2.configurationFile=" + filepath.Join(c.dir, "connect-log4j2.xml"),
		"org.apache.kafka.connect.cli." + class}, files)
	p, err := launch("connect", c.java, c.dir, args...)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := p.await(ctx, ready); err != nil {
		return errors.Join(err, p.kill())
	}
	c.process = p
	return nil
}

// Log is the path of what it has said.
func (c *Connect) Log() string { return filepath.Join(c.dir, "connect.log") }

// Stop ends the worker in order: its tasks end, and offsets are stored.
func (c *Connect) Stop() error { return c.end((*process).stop) }

// Kill ends the worker at once, as kill -9 does.
func (c *Connect) Kill() error { return c.end((*process).kill) }

func (c *Connect) end(how func(*process) error) error {
	if c.process == nil {
		return nil
	}
	err := how(c.process)
	c.process = nil
	return err
}

// FreePort is a port of 127.0.0.1 nobody listens on now.
func FreePort() (int, error) {
	ports, err := freePorts(1)
	if err != nil {
		return 0, err
	}
	return ports[0], nil
}
