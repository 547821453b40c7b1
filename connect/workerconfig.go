package connect

import (
	"fmt"
	"log/slog"
	"maps"
	"math"
	"net"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tandem-cdc/tandem/connect/provider"
	"github.com/tandem-cdc/tandem/internal/config"
)

// WorkerConfig holds the settings of a worker, those of Kafka Connect's worker.properties; start from DefaultWorkerConfig or parse one with
// ParseWorkerConfig or ParseDistributedConfig.
type WorkerConfig struct {
	BootstrapServers []string

	KeyConverter, ValueConverter, HeaderConverter ConverterConfig

	OffsetFile          string
	OffsetFlushInterval time.Duration // upper bound: offsets are stored about a second after acknowledged work
	OffsetFlushTimeout  time.Duration
	ShutdownTimeout     time.Duration

	Listeners                         []string // URLs; empty host: all addresses
	AdvertisedHost                    string
	AdvertisedPort                    int // 0: the listener's
	AllowOrigin, AllowMethods         string
	REST                              RESTConfig
	Metrics                           MetricsConfig
	TopicCreation                     bool
	TopicTracking, TopicTrackingReset bool
	OverridePolicy                    string
	OverrideAllowlist                 []string
	Client, Producer, Consumer, Admin map[string]string // options of the Kafka clients; the last three without their prefix

	Distributed *DistributedConfig // nil: the worker is alone
	Alone       DeliveryConfig     // of a worker that is

	// Providers resolve the variables of configurations; those of the worker's own are resolved.
	Providers *provider.Set

	Restarts RestartPolicy // of connectors that do not say
}

// ConverterConfig names a converter and its options, without the prefix "key.converter." and its like.
type ConverterConfig struct {
	Class   string
	Version string // that is wanted; "": any
	Options map[string]string
}

// DefaultWorkerConfig is the only place of defaults.
func DefaultWorkerConfig() WorkerConfig {
	return WorkerConfig{
		HeaderConverter:     ConverterConfig{Class: "org.apache.kafka.connect.storage.SimpleHeaderConverter"},
		OffsetFlushInterval: time.Minute,
		OffsetFlushTimeout:  5 * time.Second,
		ShutdownTimeout:     5 * time.Second,
		Listeners:           []string{"http://:8083"},
		Metrics:             defaultMetricsConfig(),
		TopicCreation:       true,
		Restarts:            defaultRestartPolicy(),
		TopicTracking:       true,
		TopicTrackingReset:  true,
		OverridePolicy:      "All",
		Alone:               defaultDeliveryConfig(),
	}
}

// clientOption matches the options of Kafka clients that stand in worker.properties without a prefix.
var clientOption = regexp.MustCompile(`security\.(protocol|providers)|sasl\..+|ssl\..+|client\.(id|dns\.lookup|rack)|` +
	`(request|default\.api)\.timeout\.ms|metadata\..+|retry\.backoff.*\.ms|reconnect\.backoff.*\.ms|connections\.max\.idle\.ms|` +
	`(send|receive)\.buffer\.bytes|socket\.connection\.setup\.timeout.*\.ms`)

// Keys is the only place of the names of the worker's options.
func (c *WorkerConfig) Keys() config.Keys {
	collect := func(dst *map[string]string) func(name, text string) error {
		return func(name, text string) error {
			if *dst == nil {
				*dst = make(map[string]string)
			}
			(*dst)[name] = text
			return nil
		}
	}
	keys := config.Keys{
		config.List(&c.BootstrapServers, "bootstrap.servers", "Brokers to begin with, host:port, separated by commas.",
			config.Required(), config.Rank(config.High), config.Check(checkServers)),
		config.Class(&c.KeyConverter.Class, "key.converter", "Converter of record keys.", config.Required(), config.Rank(config.High)),
		config.Prefix("key.converter.", "Options of the key converter; see converters.md.", collect(&c.KeyConverter.Options)),
		config.Class(&c.ValueConverter.Class, "value.converter", "Converter of record values.", config.Required(), config.Rank(config.High)),
		config.Prefix("value.converter.", "Options of the value converter; see converters.md.", collect(&c.ValueConverter.Options)),
		config.Class(&c.HeaderConverter.Class, "header.converter", "Converter of record headers."),
		config.Prefix("header.converter.", "Options of the header converter.", collect(&c.HeaderConverter.Options)),
		config.Millis(&c.OffsetFlushInterval, "offset.flush.interval.ms",
			"Longest time between two stores of source offsets and two commits of consumer offsets; after acknowledged work a second is typical.", 0),
		config.Millis(&c.OffsetFlushTimeout, "offset.flush.timeout.ms",
			"Longest wait for the acknowledgement of records, before the offsets are stored at the end of a task. What came later is sent again.", 0),
		config.Millis(&c.ShutdownTimeout, "task.shutdown.graceful.timeout.ms", "Time that all tasks together have to stop in order; then they are cut off.", 0),
		config.List(&c.Listeners, "listeners", "Addresses of the REST API, http://host:port or https://host:port; an empty host is every address.",
			config.Check(checkListeners)),
		config.String(&c.AdvertisedHost, "rest.advertised.host.name", "Host of worker_id and of the URL given to others; empty: the listener's, or this machine's address."),
		config.Int(&c.AdvertisedPort, "rest.advertised.port", "Port of worker_id and of the URL given to others; 0: the listener's.", 0, math.MaxUint16),
		config.String(&c.AllowOrigin, "access.control.allow.origin", "Origin that browsers may call from (CORS), * for all; empty: none."),
		config.String(&c.AllowMethods, "access.control.allow.methods", "Methods that browsers of other origins may use; empty: GET, POST and HEAD."),
		config.Bool(&c.TopicCreation, "topic.creation.enable", "Whether topic.creation.* of source connectors creates topics; else the broker does, or not."),
		config.Bool(&c.TopicTracking, "topic.tracking.enable", "Whether the worker keeps which topics each connector uses, for GET /connectors/{connector}/topics."),
		config.Bool(&c.TopicTrackingReset, "topic.tracking.allow.reset", "Whether users may reset that through the REST API."),
		config.String(&c.OverridePolicy, "connector.client.config.override.policy",
			"Which client options connectors may override: All, None, Principal or Allowlist.", config.Check(checkPolicy)),
		config.List(&c.OverrideAllowlist, "connector.client.config.override.allowlist", "Client options that the policy Allowlist lets pass, without prefix."),
		config.Prefix("producer.", "Options of the producers of source tasks and dead letter queues; see kafka-clients.md.", collect(&c.Producer)),
		config.Prefix("consumer.", "Options of the consumers of sink tasks; see kafka-clients.md.", collect(&c.Consumer)),
		config.Prefix("admin.", "Options of the clients that create topics; see kafka-clients.md.", func(name, text string) error {
			if ofListeners(name) {
				return nil
			}
			return collect(&c.Admin)(name, text)
		}),
		config.Family(clientOption, "security.*, sasl.*, ssl.*, …", config.TypeString,
			"Options of the Kafka clients; those of security hold for producers, consumers and admin clients that have none of their own.",
			collect(&c.Client)),
		config.List(new([]string), provider.Option, "Names of config providers, which give values for the variables ${name:path:key} of this file and of connectors: from files, folders or the environment. "+
			"Each has its class under config.providers.NAME.class: FileConfigProvider, DirectoryConfigProvider or EnvVarConfigProvider.", config.Rank(config.Low)),
		config.Prefix(provider.Option+".", "Class and parameters (param.*) of a config provider: allowed.paths of those that read files, allowlist.pattern of that of the environment.",
			func(_, _ string) error { return nil }, config.Rank(config.Low)),
	}
	keys = append(keys, c.REST.keys()...)
	keys = append(keys, c.Restarts.keys()...)
	keys = append(keys, c.Metrics.keys()...)
	if c.Distributed != nil {
		keys = append(keys, c.Distributed.Keys()...)
	} else {
		keys = append(keys, config.String(&c.OffsetFile, "offset.storage.file.filename", "File that holds the source offsets, in Kafka Connect's format.",
			config.Required(), config.Rank(config.High)))
		keys = append(keys, c.Alone.aloneKeys()...)
	}
	return append(keys, config.Ignored("plugin.path", "plugin.discovery", "metric.reporters", "metrics.recording.level",
		"internal.key.converter", "internal.value.converter", "internal.key.converter.schemas.enable",
		"internal.value.converter.schemas.enable", "auto.include.jmx.reporter")...)
}

// ParseWorkerConfig reads worker.properties that were parsed before.
func ParseWorkerConfig(props map[string]string) (WorkerConfig, config.Report) {
	return parseWorkerConfig(props, os.LookupEnv, nil)
}

func parseWorkerConfig(props map[string]string, env provider.Lookup, d *DistributedConfig) (WorkerConfig, config.Report) {
	c := DefaultWorkerConfig()
	c.Distributed = d
	var old config.Report
	props, c.Providers = resolveWorker(props, env, &old)
	if len(old.Errors) > 0 { // what the variables stand for is not known
		return c, old
	}
	c.oldListener(props, &old)
	dropInterceptors(props, &old)
	r := c.Keys().Parse(props, "rest.host.name", "rest.port")
	if len(r.Errors) == 0 {
		c.REST.finish(props, c.Listeners, env, &r)
	}
	if len(r.Errors) == 0 {
		resolveConverter("key.converter", c.KeyConverter, ConverterConfig{}, &r)
		resolveConverter("value.converter", c.ValueConverter, ConverterConfig{}, &r)
		resolveConverter("header.converter", c.HeaderConverter, ConverterConfig{}, &r)
	}
	if len(r.Errors) == 0 {
		if d != nil {
			d.check(&r)
		} else {
			c.Alone.checkAlone(props, &r)
		}
	}
	c.inheritSecurity()
	r.Warnings = append(old.Warnings, r.Warnings...)
	return c, r
}

// resolveWorker makes the config providers and gives the worker's own options with their variables resolved; plugin.path has none.
func resolveWorker(props map[string]string, env provider.Lookup, r *config.Report) (map[string]string, *provider.Set) {
	set, own := provider.New(props, env)
	r.Errors, r.Warnings = append(r.Errors, own.Errors...), append(r.Warnings, own.Warnings...)
	resolved, err := set.Resolve(props, slog.New(slog.DiscardHandler)) // the report tells it
	if err != nil {
		r.Fail(provider.Option, "%v", err)
		return maps.Clone(props), set
	}
	if raw, given := props["plugin.path"]; given {
		resolved["plugin.path"] = raw
	}
	for _, name := range set.Unresolved(resolved) {
		if name != "plugin.path" {
			r.Warn(name, "The value of option %q has a variable that its config provider does not know; it stays as it is.", name)
		}
	}
	return resolved, set
}

// ReadWorkerConfig reads a worker.properties file; environ, in the form of os.Environ, overrides it (see EnvironmentProperties).
func ReadWorkerConfig(path string, environ []string) (WorkerConfig, config.Report, error) {
	return readWorkerConfig(path, environ, nil)
}

func readWorkerConfig(path string, environ []string, d *DistributedConfig) (WorkerConfig, config.Report, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return WorkerConfig{}, config.Report{}, fmt.Errorf("read the worker configuration: %w", err)
	}
	props, err := config.ParseProperties(string(text))
	if err != nil {
		return WorkerConfig{}, config.Report{}, fmt.Errorf("read the worker configuration %s: %w", path, err)
	}
	maps.Copy(props, EnvironmentProperties(environ))
	c, report := parseWorkerConfig(props, provider.Environ(environ), d)
	if err := report.Err(); err != nil {
		return c, report, fmt.Errorf("read the worker configuration %s: %w", path, err)
	}
	return c, report, nil
}

// oldListener honours rest.host.name and rest.port, which Kafka Connect dropped in 3.0 and tutorials still set.
func (c *WorkerConfig) oldListener(props map[string]string, r *config.Report) {
	host, hasHost := props["rest.host.name"]
	port, hasPort := props["rest.port"]
	for name, has := range map[string]bool{"rest.host.name": hasHost, "rest.port": hasPort} {
		if has {
			r.Warn(name, "Option %q is an old name; use \"listeners\".", name)
		}
	}
	slices.SortFunc(r.Warnings, func(a, b config.Problem) int { return strings.Compare(a.Name, b.Name) })
	if _, given := props["listeners"]; given || !hasHost && !hasPort {
		return
	}
	if !hasPort || strings.TrimSpace(port) == "" {
		port = "8083"
	}
	props["listeners"] = "http://" + net.JoinHostPort(strings.TrimSpace(host), strings.TrimSpace(port))
}

// dropInterceptors takes out the interceptors, Java classes that only the JVM can load.
func dropInterceptors(props map[string]string, r *config.Report) {
	for _, name := range slices.Sorted(maps.Keys(props)) {
		if strings.HasSuffix(name, ".interceptor.classes") || name == "interceptor.classes" {
			r.Warn(name, "Option %q names Java classes, which cannot be loaded; it has no effect.", name)
			delete(props, name)
		}
	}
}

// inheritSecurity gives the task clients the worker's own security options when they have none. Kafka Connect wants them repeated under
// each prefix; a file that does not would not work there, so that nothing changes for one that does.
func (c *WorkerConfig) inheritSecurity() {
	if c.Client["security.protocol"] == "" {
		return
	}
	for _, m := range []*map[string]string{&c.Producer, &c.Consumer, &c.Admin} {
		if (*m)["security.protocol"] != "" {
			continue
		}
		merged := make(map[string]string)
		for name, text := range c.Client {
			if strings.HasPrefix(name, "security.") || strings.HasPrefix(name, "sasl.") || strings.HasPrefix(name, "ssl.") {
				merged[name] = text
			}
		}
		maps.Copy(merged, *m)
		*m = merged
	}
}

// WorkerID is how statuses name this worker: the advertised host and port; port is the one listened on.
func (c *WorkerConfig) WorkerID(port int) string {
	host := c.AdvertisedHost
	if at := c.AdvertisedListener(); host == "" && at >= 0 {
		if u, err := url.Parse(c.Listeners[at]); err == nil {
			host = u.Hostname()
		}
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = localAddress()
	}
	if c.AdvertisedPort != 0 {
		port = c.AdvertisedPort
	}
	return net.JoinHostPort(host, strconv.Itoa(port))
}

// localAddress is this machine's first address that others can reach, as Java's InetAddress.getLocalHost mostly answers.
func localAddress() string {
	addresses, err := net.InterfaceAddrs()
	if err == nil {
		for _, a := range addresses {
			if ip, ok := a.(*net.IPNet); ok && !ip.IP.IsLoopback() && ip.IP.To4() != nil {
				return ip.IP.String()
			}
		}
	}
	return "127.0.0.1"
}

func checkServers(text string) error {
	servers := config.SplitList(text)
	for i, s := range servers {
		if slices.Contains(servers[:i], s) {
			return fmt.Errorf("%q stands there twice", s)
		}
		host, port, err := net.SplitHostPort(s)
		if n, e := strconv.ParseUint(port, 10, 16); err != nil || e != nil || n == 0 || host == "" {
			return fmt.Errorf("%q is not host:port", s)
		}
	}
	return nil
}

func checkListeners(text string) error {
	listeners := config.SplitList(text)
	if len(listeners) == 0 {
		return fmt.Errorf("want at least one listener, as http://:8083")
	}
	for _, l := range listeners {
		u, err := url.Parse(l)
		if err != nil || u.Port() == "" || u.Path != "" && u.Path != "/" || !strings.EqualFold(u.Scheme, "http") && !strings.EqualFold(u.Scheme, "https") {
			return fmt.Errorf("%q is not of the form http://host:port", l)
		}
	}
	return nil
}
