package jvmserver

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/tandem-cdc/tandem/internal/childserver"
)

// Versions of Apache Flink and of its connector for Kafka, which is released for every few versions of Flink.
const (
	FlinkVersion          = "2.1.0"
	flinkConnectorVersion = "4.0.1-2.0"
)

// flinkAlone are the jars of Flink that hold what they need. The SQL client looks for flink-python at its start, and the planner for flink-cep.
const flinkAlone = `flink-table-runtime flink-table-planner-loader flink-sql-client flink-sql-gateway flink-python flink-cep flink-sql-avro-confluent-registry`

// flinkPOM is what Flink's own archive holds in lib, with the connector and the formats for Kafka, and the SQL client.
func flinkPOM() string {
	var b strings.Builder
	dependency := func(group, artifact, version string, alone bool) {
		b.WriteString("    <dependency><groupId>" + group + "</groupId><artifactId>" + artifact + "</artifactId><version>" + version + "</version>")
		if alone {
			b.WriteString("<exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions>")
		}
		b.WriteString("</dependency>\n")
	}
	b.WriteString("<project>\n  <modelVersion>4.0.0</modelVersion>\n  <groupId>tandem</groupId><artifactId>flink</artifactId><version>1</version>\n  <dependencies>\n")
	const flink, log4j = "org.apache.flink", "org.apache.logging.log4j"
	for _, artifact := range []string{"flink-clients", "flink-table-api-java-bridge", "flink-json", "flink-connector-files"} {
		dependency(flink, artifact, FlinkVersion, false)
	}
	for artifact := range strings.FieldsSeq(flinkAlone) {
		dependency(flink, artifact, FlinkVersion, true)
	}
	dependency(flink, "flink-sql-connector-kafka", flinkConnectorVersion, true)
	for _, artifact := range []string{"log4j-slf4j-impl", "log4j-core", "log4j-api"} {
		dependency(log4j, artifact, log4jVersion, true)
	}
	b.WriteString("  </dependencies>\n</project>\n")
	return b.String()
}

// FetchFlink fetches Apache Flink and returns the folder of its jars.
func FetchFlink(ctx context.Context) (string, error) {
	return fetched(ctx, "flink-"+FlinkVersion, func(ctx context.Context, dir string) error {
		project, err := os.MkdirTemp("", "tandem-mvn-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(project)
		if err := os.WriteFile(filepath.Join(project, "pom.xml"), []byte(flinkPOM()), 0o644); err != nil {
			return err
		}
		return maven(ctx, project, "copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory="+dir)
	})
}

// flinkConf has jobs run within the client, one after the other slot: a scene is small.
const flinkConf = `execution:
  target: local
  checkpointing:
    interval: 1s
parallelism:
  default: 1
sql-client:
  execution:
    result-mode: tableau
table:
  dml-sync: true
`

// The client offers a statement to its gateway line by line, until it is whole: the errors till then are none, and others it prints itself.
const flinkLog4j = `<Configuration>
  <Appenders><Console name="err" target="SYSTEM_ERR"><PatternLayout pattern="[%d] %p %m (%c)%n"/></Console></Appenders>
  <Loggers><Root level="ERROR"><AppenderRef ref="err"/></Root>
    <Logger name="org.apache.flink.table.gateway.service.operation" level="OFF"/></Loggers>
</Configuration>
`

// flinkOpens are packages of Java that Flink's start scripts open to it.
const flinkOpens = "java.lang java.net java.io java.nio sun.nio.ch java.lang.reflect java.text java.time java.util java.util.concurrent java.util.concurrent.atomic java.util.concurrent.locks"

// FlinkSQL is a command that runs Flink's SQL client over a file of statements, and their jobs within it. dir is for its configuration and
// its other files. A query whose tables have no end runs until the command is killed.
func FlinkSQL(ctx context.Context, dir, file string) (*exec.Cmd, error) {
	java, err := Java()
	if err != nil {
		return nil, err
	}
	jars, err := FetchFlink(ctx)
	if err != nil {
		return nil, err
	}
	for name, text := range map[string]string{"config.yaml": flinkConf, "log4j2.xml": flinkLog4j} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return nil, err
		}
	}
	args := []string{"-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-Dorg.jline.terminal.dumb=true",
		"-Djava.io.tmpdir=" + dir, "-Duser.home=" + dir, "-Dlog4j2.configurationFile=" + filepath.Join(dir, "log4j2.xml"),
		"--add-exports=java.base/sun.net.util=ALL-UNNAMED", "--add-exports=java.rmi/sun.rmi.registry=ALL-UNNAMED"}
	for name := range strings.FieldsSeq(flinkOpens) {
		args = append(args, "--add-opens=java.base/"+name+"=ALL-UNNAMED")
	}
	args = append(args, "-cp", filepath.Join(jars, "*"), "org.apache.flink.table.client.SqlClient", "embedded", "-f", file)
	cmd := exec.CommandContext(ctx, java, args...)
	cmd.Env = append(os.Environ(), "FLINK_CONF_DIR="+dir)
	return cmd, nil
}

// RunGroup runs a command in a group of its own, which is killed when the command's context ends, and on Linux when this process does.
func RunGroup(cmd *exec.Cmd) error {
	runtime.LockOSThread() // the kernel ends the process with the thread that started it
	defer runtime.UnlockOSThread()
	childserver.Isolate(cmd)
	cmd.Cancel = func() error { return killGroup(cmd.Process) }
	return cmd.Run()
}
