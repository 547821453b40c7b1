package connect

import (
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/tandem-cdc/tandem/connect/provider"
	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/internal/jaas"
	"github.com/tandem-cdc/tandem/internal/tlsconf"
)

// RESTConfig holds how the REST API is served, besides where.
type RESTConfig struct {
	// AdminListeners serve /admin and nothing else does; none with AdminApart: nobody does. Else it is on the listeners.
	AdminListeners []string
	AdminApart     bool
	AdminProfiles  bool // serve profiles of the process on AdminListeners

	AdvertisedListener string // http or https; "": the first listener's
	ResponseHeaders    []HeaderRule
	BasicAuth          bool   // whether users must give name and password
	BasicAuthFile      string // the file of them; "": that of the JAAS configuration

	ServerTLS *tls.Config // of https listeners; nil: there are none
	AdminTLS  *tls.Config // of https listeners for administrators; nil: there are none
	ClientTLS *tls.Config // for requests to other workers

	ClientAuth string // required, requested or none: whether clients of https listeners must have a certificate
}

// HeaderRule is one rule of response.http.headers.config.
type HeaderRule struct {
	Add   bool // beside those that are there, else in their place
	Date  bool // Value is a number of milliseconds from now
	Name  string
	Value string
}

// BasicAuthClass is the one REST extension that there is.
const BasicAuthClass = "org.apache.kafka.connect.rest.basic.auth.extension.BasicAuthSecurityRestExtension"

// httpsPrefix is before options of TLS that are for the REST API alone; with one of them those without prefix do not count.
const httpsPrefix = "listeners.https."

// adminPrefix is the same for the listeners of administrators; without one of them, what counts for the others counts for these.
const adminPrefix = "admin.listeners.https."

// ofListeners tells the options admin.… that are those of listeners and not of admin clients.
func ofListeners(name string) bool {
	return name == "listeners" || name == "pprof.enable" || strings.HasPrefix("admin."+name, adminPrefix)
}

// keys are the options of the REST API but for those that stand with the worker's.
func (c *RESTConfig) keys() config.Keys {
	admin := func(text string) error {
		if text == "" {
			return nil
		}
		return checkListeners(text)
	}
	return config.Keys{
		config.List(&c.AdminListeners, "admin.listeners", "Addresses that serve /admin, which then is not on the listeners; empty: it is served nowhere. Not given: on the listeners.",
			config.Null(), config.Rank(config.Low), config.Check(admin), config.MayBeEmpty()),
		config.Bool(&c.AdminProfiles, "admin.pprof.enable", "Serve profiles of this process (CPU, memory, waits, traces) under /debug/pprof/ on admin.listeners, and nowhere else, for go tool pprof. "+
			"An option of tandem; Kafka Connect has none like it.", config.Rank(config.Low)),
		config.Enum(&c.AdvertisedListener, "rest.advertised.listener", "Which kind of listener others are told of: http or https; empty: the first one's.", []string{"", "http", "https"}),
		config.String(new(string), "response.http.headers.config", "Headers of all answers: rules separated by commas, each \"set NAME: VALUE\" or \"add NAME: VALUE\", or setDate and addDate with milliseconds from now; "+
			"a rule with commas in it stands in double quotes.", config.Rank(config.Low), config.Check(func(text string) error { _, err := parseHeaderRules(text); return err })),
		config.List(new([]string), "rest.extension.classes", "Extensions of the REST API. There is one, BasicAuthSecurityRestExtension: users must give a name and a password.",
			config.Rank(config.Low), config.Check(checkExtensions)),
		config.String(&c.BasicAuthFile, "rest.basic.auth.file", "File of the users for BasicAuthSecurityRestExtension, Java properties with a line NAME=PASSWORD for each. "+
			"Empty: the file that the JAAS configuration names, which the environment variable KAFKA_OPTS gives as -Djava.security.auth.login.config=FILE.", config.Rank(config.Low)),
		config.Enum(&c.ClientAuth, "ssl.client.auth", "Whether clients of https listeners must prove who they are by a certificate of the trust store: required, requested or none.",
			[]string{"none", "requested", "required"}, config.Rank(config.Low)),
		config.Prefix(httpsPrefix, "Options of TLS (ssl.*) for the REST API alone; with one of them those without prefix do not count for it.", func(_, _ string) error { return nil }),
		config.Prefix(adminPrefix, "Options of TLS (ssl.*) for admin.listeners alone; with one of them no others count for these.", func(_, _ string) error { return nil }),
	}
}

// finish reads what several options together tell.
func (c *RESTConfig) finish(props map[string]string, listeners []string, env provider.Lookup, r *config.Report) {
	_, c.AdminApart = props["admin.listeners"]
	if c.AdminProfiles && len(c.AdminListeners) == 0 {
		r.Fail("admin.pprof.enable", "Option \"admin.pprof.enable\" needs addresses of their own for administrators: set admin.listeners, such as http://127.0.0.1:8086")
	}
	c.ResponseHeaders, _ = parseHeaderRules(props["response.http.headers.config"]) // it was checked
	c.BasicAuth = len(config.SplitList(props["rest.extension.classes"])) > 0
	if c.BasicAuth && c.BasicAuthFile == "" {
		var err error
		if c.BasicAuthFile, err = fileOfJAAS(env); err != nil {
			r.Fail("rest.basic.auth.file", "The REST extension BasicAuthSecurityRestExtension has no users: %v", err)
		}
	}
	if want := c.AdvertisedListener; want != "" && !slices.ContainsFunc(listeners, func(l string) bool { return strings.HasPrefix(strings.ToLower(l), want+":") }) {
		r.Fail("rest.advertised.listener", "Invalid value %s for configuration rest.advertised.listener: none of the listeners is of that kind", want)
	}
	admins := slices.ContainsFunc(c.AdminListeners, isHTTPS)
	own, prefix := sslOptions(props, httpsPrefix)
	apart := prefixedOptions(props, adminPrefix)
	if len(own) > 0 || slices.ContainsFunc(listeners, isHTTPS) || admins && len(apart) == 0 {
		c.ClientTLS, c.ServerTLS = readTLS(own, prefix, slices.ContainsFunc(listeners, isHTTPS) || admins && len(apart) == 0, r)
	}
	if c.AdminTLS = c.ServerTLS; len(apart) > 0 {
		_, c.AdminTLS = readTLS(apart, adminPrefix, admins, r)
	}
}

// readTLS reads the options of TLS for requests to others and, with serves, for listeners. Nil without the one or the other; the report then says why.
func readTLS(own map[string]string, prefix string, serves bool, r *config.Report) (forClients, forListeners *tls.Config) {
	auth := own["ssl.client.auth"]
	delete(own, "ssl.client.auth")
	parsed, report := tlsconf.Parse(own)
	for _, p := range report.Errors {
		r.Errors = append(r.Errors, prefixed(prefix, p))
	}
	if prefix != "" { // without, they are the Kafka clients' as well, which warn
		for _, p := range report.Warnings {
			r.Warnings = append(r.Warnings, prefixed(prefix, p))
		}
		if !slices.Contains([]string{"", "none", "requested", "required"}, auth) {
			r.Fail(prefix+"ssl.client.auth", "Invalid value %s for configuration %sssl.client.auth: want one of none, requested, required", auth, prefix)
		}
	}
	if parsed == nil || !serves {
		return parsed, nil
	}
	if len(parsed.Certificates) == 0 {
		r.Fail(prefix+"ssl.keystore.location", "Option %q is missing: a listener with https needs a key and a certificate (ssl.keystore.location, or ssl.keystore.key and ssl.keystore.certificate.chain)",
			prefix+"ssl.keystore.location")
		return parsed, nil
	}
	if parsed.RootCAs == nil && (auth == "required" || auth == "requested") {
		r.Fail(prefix+"ssl.truststore.location", "Option %q is missing: %sssl.client.auth=%s needs the certificates that may sign those of clients; without, any certificate that the system trusts would do",
			prefix+"ssl.truststore.location", prefix, auth)
	}
	return parsed, tlsconf.Server(parsed, auth)
}

// sslOptions are the options of TLS for the REST API and the prefix they have.
func sslOptions(props map[string]string, prefix string) (own map[string]string, used string) {
	if own = prefixedOptions(props, prefix); len(own) > 0 {
		return own, prefix
	}
	for name, text := range props {
		if strings.HasPrefix(name, "ssl.") {
			own[name] = text
		}
	}
	return own, ""
}

// prefixedOptions are those with a prefix, without it.
func prefixedOptions(props map[string]string, prefix string) map[string]string {
	own := make(map[string]string)
	for name, text := range props {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			own[rest] = text
		}
	}
	return own
}

func prefixed(prefix string, p config.Problem) config.Problem {
	return config.Problem{Name: prefix + p.Name, Message: strings.ReplaceAll(p.Message, p.Name, prefix+p.Name)}
}

func checkExtensions(text string) error {
	for _, class := range config.SplitList(text) {
		if class != BasicAuthClass && class != BasicAuthClass[strings.LastIndexByte(BasicAuthClass, '.')+1:] {
			return fmt.Errorf("%q is a Java class, which cannot be loaded; there is %s", class, BasicAuthClass)
		}
	}
	return nil
}

// parseHeaderRules reads response.http.headers.config.
func parseHeaderRules(text string) ([]HeaderRule, error) {
	var rules []HeaderRule
	for _, part := range splitQuoted(text) {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		action, header, found := strings.Cut(part, " ")
		name, value, colon := strings.Cut(header, ":")
		name = strings.TrimSpace(name)
		if !found || !colon || name == "" || strings.ContainsAny(name, " \t") {
			return nil, fmt.Errorf("%q is not of the form ACTION NAME: VALUE", part)
		}
		rule := HeaderRule{Name: name, Value: strings.TrimSpace(value)}
		switch strings.ToLower(action) {
		case "set":
		case "add":
			rule.Add = true
		case "setdate":
			rule.Date = true
		case "adddate":
			rule.Add, rule.Date = true, true
		default:
			return nil, fmt.Errorf("%q is none of set, add, setDate and addDate", action)
		}
		if rule.Date && strings.Trim(rule.Value, "0123456789") != "" || rule.Date && rule.Value == "" {
			return nil, fmt.Errorf("%q: want a number of milliseconds behind the colon", part)
		}
		rules = append(rules, rule)
	}
	return rules, nil
}

// splitQuoted splits at commas outside of double quotes and takes the quotes off.
func splitQuoted(text string) []string {
	var parts []string
	var b strings.Builder
	quoted := false
	for _, c := range text {
		switch {
		case c == '"':
			quoted = !quoted
		case c == ',' && !quoted:
			parts = append(parts, b.String())
			b.Reset()
		default:
			b.WriteRune(c)
		}
	}
	return append(parts, b.String())
}

var jaasOption = regexp.MustCompile(`-Djava\.security\.auth\.login\.config=("[^"]*"|\S+)`)

// fileOfJAAS finds the file of users as Java does: through a system property and the login module KafkaConnect in the file that it names.
func fileOfJAAS(env provider.Lookup) (string, error) {
	path := ""
	for _, name := range []string{"JAVA_TOOL_OPTIONS", "KAFKA_OPTS"} {
		text, _ := env(name)
		if m := jaasOption.FindStringSubmatch(text); m != nil {
			path = strings.Trim(m[1], `"`)
		}
	}
	if path == "" {
		return "", errors.New("no file of users is named; set rest.basic.auth.file")
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read the JAAS configuration: %w", err)
	}
	entries, err := jaas.ParseFile(string(text))
	if err != nil {
		return "", fmt.Errorf("read the JAAS configuration %s: %w", path, err)
	}
	modules := entries["KafkaConnect"]
	if len(modules) != 1 || modules[0].Name() != "PropertyFileLoginModule" || modules[0].Options["file"] == "" {
		return "", fmt.Errorf("the JAAS configuration %s has no entry KafkaConnect { …PropertyFileLoginModule required file=\"…\"; }; set rest.basic.auth.file instead", path)
	}
	return modules[0].Options["file"], nil
}

// AdvertisedListener is the index of the listener that others are told of, -1 if there is none of the wanted kind.
func (c *WorkerConfig) AdvertisedListener() int {
	return slices.IndexFunc(c.Listeners, func(l string) bool {
		return strings.HasPrefix(strings.ToLower(l), c.REST.AdvertisedListener+":") || c.REST.AdvertisedListener == ""
	})
}

// AdvertisedScheme is that of the URL at which other workers reach the REST API: http or https.
func (c *WorkerConfig) AdvertisedScheme() string {
	if at := c.AdvertisedListener(); at >= 0 && isHTTPS(c.Listeners[at]) {
		return "https"
	}
	return "http"
}

// AdvertisedURL is where other workers reach the REST API; port is the one listened on.
func (c *WorkerConfig) AdvertisedURL(port int) string {
	return c.AdvertisedScheme() + "://" + c.WorkerID(port) + "/"
}

func isHTTPS(listener string) bool { return strings.HasPrefix(strings.ToLower(listener), "https:") }
