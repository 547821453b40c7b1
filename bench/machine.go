package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-cdc/tandem/internal/jvmserver"
)

// machine is where it was measured, and what.
type machine struct {
	CPU      string            `json:"cpu"`
	CPUs     int               `json:"cpus"`
	Memory   string            `json:"memory"`
	Kernel   string            `json:"kernel"`
	Versions map[string]string `json:"versions"`
}

// describe asks the machine and the servers.
func (b *bench) describe(ctx context.Context) (machine, error) {
	m := machine{CPU: valueIn("/proc/cpuinfo", "model name"), CPUs: runtime.NumCPU(), Memory: valueIn("/proc/meminfo", "MemTotal"), Versions: map[string]string{
		"Go": runtime.Version(), "Apache Kafka and Kafka Connect": jvmserver.KafkaVersion, "Apicurio Registry": jvmserver.RegistryVersion,
	}}
	kernel, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return m, err
	}
	m.Kernel = strings.TrimSpace(string(kernel))
	if b.wants(kafkaConnect) {
		m.Versions["Debezium's PostgreSQL connector"] = jvmserver.DebeziumVersion
		m.Versions["Debezium's JDBC sink and Apicurio's converter"] = "of Debezium Server " + jvmserver.JDBCSinkVersion
	}
	java, err := jvmserver.Java()
	if err != nil {
		return m, err
	}
	said, err := exec.CommandContext(ctx, java, "-version").CombinedOutput()
	if err != nil {
		return m, fmt.Errorf("ask Java for its version: %w", err)
	}
	m.Versions["Java"], _, _ = strings.Cut(string(said), "\n")
	for name, program := range map[string]string{"tandem": b.tandem, "pg_recvlogical": b.recvlogical} {
		said, err := exec.CommandContext(ctx, program, "--version").Output()
		if err != nil {
			return m, fmt.Errorf("ask %s for its version: %w", name, err)
		}
		m.Versions[name], _, _ = strings.Cut(string(said), "\n")
	}
	conn, err := pgx.Connect(ctx, b.source.URL("postgres"))
	if err != nil {
		return m, err
	}
	defer conn.Close(ctx)
	version := ""
	if err := conn.QueryRow(ctx, "SHOW server_version").Scan(&version); err != nil {
		return m, err
	}
	m.Versions["PostgreSQL"] = version
	return m, nil
}

// valueIn is the first value of a name in a file of /proc; "unknown" without one.
func valueIn(path, name string) string {
	f, err := os.Open(path)
	if err != nil {
		return "unknown"
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if key, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}
