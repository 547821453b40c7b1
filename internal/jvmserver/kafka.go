package jvmserver

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"github.com/tandem-cdc/tandem/internal/childserver"
	"github.com/tandem-cdc/tandem/internal/faultproxy"
)

// clusterID is the same for all, for the formatted folder is made once.
const clusterID = "dGFuZGVtLWludGVncmF0aQ"

// KafkaOptions change a broker.
type KafkaOptions struct {
	Config map[string]string // of the broker, such as "message.max.bytes"
	JVM    []string          // options of the JVM; none: small and quick to start
	Dir    string            // for data and log; empty: a temporary one, removed by Close
	Port   int               // of 127.0.0.1; 0: a free one

	// Proxies is how many listeners there are besides Addr that clients reach through a fault proxy, each of its own: Kafka.Proxy.
	Proxies int

	// Listeners are further ones, such as with TLS; Kafka.Listener tells where they are. In the values of their options $DIR is the
	// folder of the broker.
	Listeners []Listener
}

// Kafka is an Apache Kafka of one node, broker and controller.
type Kafka struct {
	java, jars string
	dir        string
	temporary  bool
	options    KafkaOptions
	port       int
	proxied    []int // ports behind the proxies
	listening  []int // ports of the further listeners
	proxies    []*faultproxy.Proxy
	process    *process // nil: stopped
}

// StartKafka fetches, formats and starts.
func StartKafka(ctx context.Context, o KafkaOptions) (*Kafka, error) {
	java, jars, err := kafkaPrograms(ctx)
	if err != nil {
		return nil, err
	}
	dir, temporary, err := folder(o.Dir)
	if err != nil {
		return nil, err
	}
	k := &Kafka{java: java, jars: jars, dir: dir, temporary: temporary, options: o}
	if err := k.prepare(ctx); err != nil {
		return nil, errors.Join(err, k.Close())
	}
	if err := k.Start(ctx); err != nil {
		return nil, errors.Join(err, k.Close())
	}
	return k, nil
}

// folder makes dir, or a temporary one.
func folder(dir string) (path string, temporary bool, err error) {
	if dir == "" {
		dir, err = os.MkdirTemp("", "tandem-jvm-")
		return dir, true, err
	}
	path, err = filepath.Abs(dir)
	if err == nil {
		err = os.MkdirAll(path, 0o755)
	}
	return path, false, err
}

// prepare writes the configuration and a formatted data folder.
func (k *Kafka) prepare(ctx context.Context) error {
	ports, err := freePorts(2 + k.options.Proxies + len(k.options.Listeners))
	if err != nil {
		return err
	}
	k.port, k.proxied, k.listening = cmp.Or(k.options.Port, ports[0]), ports[2:2+k.options.Proxies], ports[2+k.options.Proxies:]
	for _, port := range k.proxied {
		p, err := faultproxy.New(fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			return err
		}
		k.proxies = append(k.proxies, p)
	}
	if err := os.WriteFile(filepath.Join(k.dir, "server.properties"), k.properties(ports[1]), 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(k.dir, "log4j2.xml"), []byte(log4j), 0o644); err != nil {
		return err
	}
	data := filepath.Join(k.dir, "data")
	if _, err := os.Stat(data); err == nil {
		return nil
	}
	formatted, err := k.formatted(ctx)
	if err != nil {
		return err
	}
	return os.CopyFS(data, os.DirFS(formatted))
}

// formatted is a data folder as StorageTool makes it, which takes a second of a JVM; it knows neither ports nor paths.
func (k *Kafka) formatted(ctx context.Context) (string, error) {
	return fetched(ctx, "kafka-"+KafkaVersion+"-formatted", func(ctx context.Context, dir string) error {
		config := filepath.Join(k.dir, "format.properties")
		text := bytes.ReplaceAll(k.properties(1), []byte(filepath.Join(k.dir, "data")), []byte(dir))
		if err := os.WriteFile(config, text, 0o644); err != nil {
			return err
		}
		out, err := exec.CommandContext(ctx, k.java, "-XX:TieredStopAtLevel=1", "-cp", filepath.Join(k.jars, "*"),
			"kafka.tools.StorageTool", "format", "--ignore-formatted", "-t", clusterID, "-c", config).CombinedOutput()
		if err != nil {
			return fmt.Errorf("format the data folder of Kafka: %w\n%s", err, childserver.Tail(out, 20))
		}
		return nil
	})
}

const log4j = `<Configuration>
  <Appenders><Console name="out"><PatternLayout pattern="[%d] %p %m (%c)%n"/></Console></Appenders>
  <Loggers><Root level="WARN"><AppenderRef ref="out"/></Root></Loggers>
</Configuration>
`

func (k *Kafka) properties(controller int) []byte {
	p := map[string]string{
		"process.roles":                    "broker,controller",
		"node.id":                          "1",
		"controller.quorum.voters":         fmt.Sprintf("1@127.0.0.1:%d", controller),
		"listeners":                        fmt.Sprintf("PLAINTEXT://127.0.0.1:%d,CONTROLLER://127.0.0.1:%d", k.port, controller),
		"advertised.listeners":             fmt.Sprintf("PLAINTEXT://127.0.0.1:%d", k.port),
		"controller.listener.names":        "CONTROLLER",
		"listener.security.protocol.map":   "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
		"log.dirs":                         filepath.Join(k.dir, "data"),
		"offsets.topic.replication.factor": "1", "offsets.topic.num.partitions": "5",
		"transaction.state.log.replication.factor": "1", "transaction.state.log.min.isr": "1", "transaction.state.log.num.partitions": "5",
		"share.coordinator.state.topic.replication.factor": "1", "share.coordinator.state.topic.min.isr": "1",
		"group.initial.rebalance.delay.ms": "0",
		// A killed broker is let in again only when its old session is over: 9 s else.
		"broker.session.timeout.ms": "3000", "broker.heartbeat.interval.ms": "500",
	}
	for i, proxy := range k.proxies {
		name := fmt.Sprintf("PROXY%d", i)
		p["listeners"] += fmt.Sprintf(",%s://127.0.0.1:%d", name, k.proxied[i])
		p["advertised.listeners"] += fmt.Sprintf(",%s://%s", name, proxy.Addr())
		p["listener.security.protocol.map"] += "," + name + ":PLAINTEXT"
	}
	for i := range k.listening {
		k.listener(i, p)
	}
	for name, value := range k.options.Config {
		p[name] = value
	}
	var lines []string
	for name, value := range p {
		lines = append(lines, name+"="+strings.ReplaceAll(value, `\`, `\\`)+"\n")
	}
	sort.Strings(lines)
	return []byte(strings.Join(lines, ""))
}

// Proxy is one of the proxies that the options asked for.
func (k *Kafka) Proxy(i int) *faultproxy.Proxy { return k.proxies[i] }

// Addr is host:port; it stays the same over Stop and Start.
func (k *Kafka) Addr() string { return fmt.Sprintf("127.0.0.1:%d", k.port) }

// Start starts the broker, again after Stop or Kill, and returns when it serves clients.
func (k *Kafka) Start(ctx context.Context) error {
	if k.process != nil {
		return errors.New("start kafka: it is running")
	}
	jvm := k.options.JVM
	if len(jvm) == 0 {
		jvm = []string{"-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"}
	}
	args := append(append([]string{}, jvm...), "-cp", filepath.Join(k.jars, "*"), "-Dlog4j2.configurationFile="+filepath.Join(k.dir, "log4j2.xml"),
		"kafka.Kafka", filepath.Join(k.dir, "server.properties"))
	p, err := launch("kafka", k.java, k.dir, args...)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := p.await(ctx, k.probe); err != nil {
		return errors.Join(err, p.kill())
	}
	k.process = p
	return nil
}

// probe asks for metadata and wants a broker in it: one that has not joined its cluster names none.
//
// Request: Int32 length | Int16 key 3 | Int16 version 1 | Int32 correlation | String client | Array of topics, here empty.
// Response: Int32 length | Int32 correlation | Int32 number of brokers …
func (k *Kafka) probe(ctx context.Context) error {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", k.Addr())
	if err != nil {
		return err
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return err
		}
	}
	request := []byte{0, 0, 0, 19, 0, 3, 0, 1, 0, 0, 0, 7, 0, 5, 'p', 'r', 'o', 'b', 'e', 0, 0, 0, 0}
	if _, err := conn.Write(request); err != nil {
		return err
	}
	var head [12]byte
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		return err
	}
	if n := binary.BigEndian.Uint32(head[8:]); n == 0 {
		return errors.New("the broker has not joined its cluster")
	}
	return nil
}

// Stop ends the broker in order. Data and address stay.
func (k *Kafka) Stop() error { return k.end((*process).stop) }

// Pause stops the broker in its tracks: connections stay, nothing is answered, until Resume.
func (k *Kafka) Pause() error { return suspend(k.process.Process) }

// Resume lets a paused broker go on.
func (k *Kafka) Resume() error { return goOn(k.process.Process) }

// Kill ends the broker at once, as kill -9 does. Data and address stay.
func (k *Kafka) Kill() error { return k.end((*process).kill) }

func (k *Kafka) end(how func(*process) error) error {
	if k.process == nil {
		return nil
	}
	err := how(k.process)
	k.process = nil
	return err
}

// KafkaTool is a command that runs one of the programs that Apache Kafka brings, such as org.apache.kafka.tools.consumer.ConsoleConsumer.
func KafkaTool(ctx context.Context, class string, args ...string) (*exec.Cmd, error) {
	java, jars, err := kafkaPrograms(ctx)
	if err != nil {
		return nil, err
	}
	jvm := []string{"-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-cp", filepath.Join(jars, "*"), class}
	return exec.CommandContext(ctx, java, append(jvm, args...)...), nil
}

// Close ends the broker and removes its data, if the folder is a temporary one.
func (k *Kafka) Close() error {
	err := k.Kill() // nobody wants the data any more
	for _, p := range k.proxies {
		p.Close()
	}
	if !k.temporary {
		return err
	}
	return errors.Join(err, os.RemoveAll(k.dir))
}
