package jvmserver

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
)

// JDBCSinkVersion is the version of Debezium's JDBC sink that JDBCSinkPlugins fetches.
const JDBCSinkVersion = "3.6.0.Final"

// jdbcSinkJars are the jars of Debezium's server that its JDBC sink needs, without what Kafka Connect brings.
var jdbcSinkJars = []string{
	"debezium-api-*", "debezium-config-*", "debezium-connect-plugins-*", "debezium-connector-common-*", "debezium-connector-jdbc-*", "debezium-openlineage-api-*", "debezium-sink-*", "debezium-util-*",
	"hibernate-*", "agroal-*", "antlr4-runtime-*", "byte-buddy-1*", "classmate-*", "jakarta.persistence-api-*", "jakarta.transaction-api-*", "jakarta.inject-api-*", "jakarta.activation-api-*",
	"jakarta.xml.bind-api-*", "jaxb-*", "txw2-*", "istack-*", "angus-activation-*", "jboss-logging-3*", "jspecify-*", "postgresql-*", "jackson-*",
}

// JDBCSinkPlugins fetches Debezium's JDBC sink and returns a folder for plugin.path. It is on Maven Central as a part of Debezium's server.
func JDBCSinkPlugins(ctx context.Context) (string, error) {
	return fetched(ctx, "debezium-jdbc-"+JDBCSinkVersion, func(ctx context.Context, dir string) error {
		download, err := os.MkdirTemp("", "tandem-mvn-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(download)
		if err := mavenPlugin(ctx, copyVersion, download, "copy", "-Dartifact=io.debezium:debezium-server-dist:"+JDBCSinkVersion+":tar.gz", "-DoutputDirectory="+download); err != nil {
			return err
		}
		if err := unpack(filepath.Join(download, "debezium-server-dist-"+JDBCSinkVersion+".tar.gz"), dir, "debezium-server/lib/*.jar"); err != nil {
			return err
		}
		plugin := filepath.Join(dir, "debezium-connector-jdbc")
		if err := os.Mkdir(plugin, 0o755); err != nil {
			return err
		}
		if err := moveMatching(filepath.Join(dir, "debezium-server", "lib"), plugin, jdbcSinkJars); err != nil {
			return err
		}
		return os.RemoveAll(filepath.Join(dir, "debezium-server"))
	})
}

// moveMatching moves the jars that patterns name, without their ending, into a folder. Each pattern names one at least.
func moveMatching(from, to string, patterns []string) error {
	for _, p := range patterns {
		names, err := filepath.Glob(filepath.Join(from, p+".jar"))
		if err != nil || len(names) == 0 {
			return fmt.Errorf("no jar is called %s: %v", path.Base(p), err)
		}
		for _, name := range names {
			if err := os.Rename(name, filepath.Join(to, filepath.Base(name))); err != nil {
				return err
			}
		}
	}
	return nil
}
