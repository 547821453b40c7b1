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
	"github.com/tandem-cdc/tandem/kafka/client"
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
	secure := slices.ContainsFunc(listeners, isHTTPS) || slices.ContainsFunc(c.AdminListeners, isHTTPS)
	own, prefix := sslOptions(props)
	if len(own) == 0 && !secure {
		return
	}
	auth := own["ssl.client.auth"]
	delete(own, "ssl.client.auth")
	parsed, report := client.ParseTLS(own)
	for _, p := range report.Errors {
		r.Errors = append(r.Errors, prefixed(prefix, p))
	}
	if prefix != "" { // without, they are the Kafka clients' as well, which warn
		for _, p := range report.Warnings {
			r.Warnings = append(r.Warnings, prefixed(prefix, p))
		}
	}
	if parsed == nil {
		return
	}
	c.ClientTLS = parsed
	if !secure {
		return
	}
	if len(parsed.Certificates) == 0 {
		r.Fail(prefix+"ssl.keystore.location", "Option %q is missing: a listener with https needs a key and a certificate (ssl.keystore.location, or ssl.keystore.key and ssl.keystore.certificate.chain)",
			prefix+"ssl.keystore.location")
		return
	}
	c.ServerTLS = serverTLS(parsed, auth)
}

// sslOptions are the options of TLS for the REST API and the prefix they have.
func sslOptions(props map[string]string) (own map[string]string, prefix string) {
	own = make(map[string]string)
	for name, text := range props {
		if rest, ok := strings.CutPrefix(name, httpsPrefix); ok {
			own[rest] = text
		}
	}
	if len(own) > 0 {
		return own, httpsPrefix
	}
	for name, text := range props {
		if strings.HasPrefix(name, "ssl.") {
			own[name] = text
		}
	}
	return own, ""
}

func prefixed(prefix string, p config.Problem) config.Problem {
	return config.Problem{Name: prefix + p.Name, Message: strings.ReplaceAll(p.Message, p.Name, prefix+p.Name)}
}

// serverTLS turns a client's configuration into a server's.
func serverTLS(c *tls.Config, auth string) *tls.Config {
	s := &tls.Config{MinVersion: c.MinVersion, MaxVersion: c.MaxVersion, Certificates: c.Certificates, ClientCAs: c.RootCAs}
	switch auth {
	case "required":
		s.ClientAuth = tls.RequireAndVerifyClientCert
	case "requested":
		s.ClientAuth = tls.VerifyClientCertIfGiven
	}
	return s
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

var (
	jaasOption = regexp.MustCompile(`-Djava\.security\.auth\.login\.config=("[^"]*"|\S+)`)
	jaasEntry  = regexp.MustCompile(`(?s)KafkaConnect\s*\{[^}]*?PropertyFileLoginModule\s+\w+\s+file\s*=\s*"([^"]*)"\s*;`)
)

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
	m := jaasEntry.FindSubmatch(text)
	if m == nil {
		return "", fmt.Errorf("the JAAS configuration %s has no entry KafkaConnect { …PropertyFileLoginModule required file=\"…\"; }; set rest.basic.auth.file instead", path)
	}
	return string(m[1]), nil
}

// AdvertisedListener is the index of the listener that others are told of, -1 if there is none of the wanted kind.
func (c *WorkerConfig) AdvertisedListener() int {
	return slices.IndexFunc(c.Listeners, func(l string) bool {
		return strings.HasPrefix(strings.ToLower(l), c.REST.AdvertisedListener+":") || c.REST.AdvertisedListener == ""
	})
}

// AdvertisedURL is where other workers reach the REST API; port is the one listened on.
func (c *WorkerConfig) AdvertisedURL(port int) string {
	scheme := "http"
	if at := c.AdvertisedListener(); at >= 0 && isHTTPS(c.Listeners[at]) {
		scheme = "https"
	}
	return scheme + "://" + c.WorkerID(port) + "/"
}

func isHTTPS(listener string) bool { return strings.HasPrefix(strings.ToLower(listener), "https:") }
