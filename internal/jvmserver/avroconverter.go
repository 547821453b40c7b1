package jvmserver

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

// avroConverterJars are the jars of Debezium's server that Apicurio's Avro converter needs, without what Kafka Connect brings.
var avroConverterJars = []string{
	"apicurio-registry-*", "avro-*", "kiota-*", "microsoft-kiota-*", "std-uritemplate-*", "vertx-core-*", "vertx-web-client-*", "vertx-web-common-*", "vertx-uri-*", "vertx-auth-*",
	"netty-*", "jackson-*", "opentelemetry-api-*", "opentelemetry-common-*", "opentelemetry-context-*", "opentelemetry-sdk-*", "guava-*", "failureaccess-*", "jakarta.annotation-*",
	"commons-*", "protobuf-*",
}

// AvroConverterPlugins fetches Apicurio's Avro converter for Kafka Connect and returns a folder for plugin.path. Maven Central has it as a part
// of Debezium's server alone; Confluent's is not there.
func AvroConverterPlugins(ctx context.Context) (string, error) {
	return fetched(ctx, "apicurio-avro-"+JDBCSinkVersion, func(ctx context.Context, dir string) error {
		download, err := os.MkdirTemp("", "tandem-mvn-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(download)
		if err := mavenPlugin(ctx, copyVersion, download, "copy", "-Dartifact="+distribution, "-DoutputDirectory="+download, "-Dmdep.stripVersion=true"); err != nil {
			return err
		}
		archive, lib := filepath.Join(download, "debezium-server-dist.tar.gz"), filepath.Join(download, "debezium-server", "lib")
		if err := unpack(archive, download, "debezium-server/lib/*.jar"); err != nil {
			return err
		}
		// Avro itself is among the jars of one of the connectors.
		const avro = "debezium-server/connectors/debezium-connector-cassandra-5/avro-*.jar"
		if err := unpack(archive, download, avro); err != nil {
			return err
		}
		if err := moveMatching(filepath.Join(download, filepath.Dir(avro)), lib, []string{"avro-*"}); err != nil {
			return err
		}
		plugin := filepath.Join(dir, "apicurio-avro-converter")
		if err := os.Mkdir(plugin, 0o755); err != nil {
			return err
		}
		return moveMatching(lib, plugin, avroConverterJars)
	})
}

// ConnectCommand is a command that runs connect-standalone with a worker's and connectors' files, for who watches the process himself. The
// configuration of its log is written into dir, where the command runs.
func ConnectCommand(ctx context.Context, dir string, jvm []string, files ...string) (*exec.Cmd, error) {
	java, jars, err := kafkaPrograms(ctx)
	if err != nil {
		return nil, err
	}
	log := filepath.Join(dir, "connect-log4j2.xml")
	if err := os.WriteFile(log, []byte(connectLog4j), 0o644); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, java, slices.Concat(jvm, []string{"-cp", filepath.Join(jars, "*"), "-Dlog4j2.configurationFile=" + log,
		"org.apache.kafka.connect.cli.ConnectStandalone"}, files)...)
	cmd.Dir = dir
	return cmd, nil
}
