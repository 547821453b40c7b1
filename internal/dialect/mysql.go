package dialect

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/tandem-cdc/tandem/internal/keystore"
)

// MySQLTarget is what a JDBC URL of MySQL or MariaDB says.
type MySQLTarget struct {
	// Configs are one per host, to be tried in this order; they differ in address and TLS name alone. Whoever changes one changes all.
	Configs []*mysql.Config
	// Settings are session variables to be set after connecting, as the URL has them (sessionVariables).
	Settings []Param
	// TinyIntIsBit and YearIsDate tell a reader how tinyint(1) and year columns are wanted (tinyInt1isBit, yearIsDateType).
	TinyIntIsBit, YearIsDate bool
	// Warnings name parameters that have no effect.
	Warnings []string
}

// Address is what messages call the target: that of the first host, and the database.
func (t *MySQLTarget) Address() string { return t.Configs[0].Addr + "/" + t.Configs[0].DBName }

// Connector connects to the first host that answers.
func (t *MySQLTarget) Connector() (driver.Connector, error) {
	var all failover
	for _, c := range t.Configs {
		one, err := mysql.NewConnector(c)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

// failover tries its connectors in their order.
type failover []driver.Connector

// Connect goes on to the next host when one cannot be reached; what a server answered is final.
func (f failover) Connect(ctx context.Context) (driver.Conn, error) {
	var errs []error
	for _, c := range f {
		conn, err := c.Connect(ctx)
		if err == nil {
			return conn, nil
		}
		var answered *mysql.MySQLError
		if errors.As(err, &answered) || ctx.Err() != nil || len(f) == 1 {
			return nil, err
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

// Driver implements driver.Connector.
func (f failover) Driver() driver.Driver { return f[0].Driver() }

// mysqlWithoutEffect are parameters of the JVM's drivers that tune what only they have, or that say what is so anyway.
var mysqlWithoutEffect = set("allowMultiQueries", "allowPublicKeyRetrieval", "allowLoadLocalInfile", "autoReconnect", "autoReconnectForPools", "cacheCallableStmts", "cachePrepStmts",
	"cacheResultSetMetadata", "cacheServerConfiguration", "callableStmtCacheSize", "characterEncoding", "characterSetResults", "connectionAttributes", "connectionCollation",
	"continueBatchOnError", "defaultFetchSize", "disableMariaDbDriver", "elideSetAutoCommits", "failOverReadOnly", "initialTimeout", "jdbcCompliantTruncation", "maintainTimeStats",
	"maxReconnects", "maxRows", "noAccessToProcedureBodies", "noDatetimeStringSync", "nullCatalogMeansCurrent", "nullDatabaseMeansCurrent", "permitMysqlScheme", "prepStmtCacheSize",
	"prepStmtCacheSqlLimit", "rewriteBatchedStatements", "sendFractionalSeconds", "tcpKeepAlive", "tcpNoDelay", "useAffectedRows", "useBulkStmts", "useBatchMultiSend", "useCursorFetch",
	"useInformationSchema", "useLocalSessionState", "useLocalTransactionState", "usePipelineAuth", "useServerPrepStmts", "useUnicode", "zeroDateTimeBehavior", "useLegacyDatetimeCode",
	"useJDBCCompliantTimezoneShift", "useOldAliasMetadataBehavior", "allowUrlInLocalInfile", "dumpQueriesOnException", "logger", "profileSQL", "gatherPerfMetrics", "log", "pool",
	"transformedBitIsBoolean", "treatUtilDateAsTimestamp", "paranoid", "fallbackToSystemTrustStore", "fallbackToSystemKeyStore")

// mysqlZones are parameters whose part an option of the connector has.
var mysqlZones = set("serverTimezone", "connectionTimeZone", "timezone", "forceConnectionTimeZoneToSession", "preserveInstants", "forceConnectionTimeZoneToSession")

func set(names ...string) map[string]bool {
	out := make(map[string]bool, len(names))
	for _, n := range names {
		out[n] = true
	}
	return out
}

// mysqlParams is what is gathered of a URL before it is put together.
type mysqlParams struct {
	target         MySQLTarget
	config         *mysql.Config
	user, password string
	sslMode        string // lower case, "" when not given
	useSSL         string // true, false, ""
	require        bool
	verify         bool
	rootCert       string
	keyStore       string
	rootPassword   string
	storePassword  string
	keyPassword    string
}

// MySQLConfig makes the driver's configuration of a JDBC URL. user and password, when not empty, win over the URL's. What both leave
// open has the defaults of the JVM's drivers: localhost, 3306, encrypted when the server offers it (MySQL) or not (MariaDB), but 10 s
// to connect where these wait for ever.
func MySQLConfig(u JDBC, user, password string) (MySQLTarget, error) {
	p := &mysqlParams{target: MySQLTarget{TinyIntIsBit: true, YearIsDate: true}, config: mysql.NewConfig()}
	c := p.config
	c.Timeout = 10 * time.Second
	c.Logger = quiet{}
	c.DBName = u.Database
	c.MaxAllowedPacket = 1 << 30 // the protocol's; what the server allows it says itself
	for _, param := range u.Params {
		if err := p.param(param); err != nil {
			return MySQLTarget{}, err
		}
	}
	c.User, c.Passwd = p.user, p.password
	if user != "" {
		c.User = user
	}
	if password != "" {
		c.Passwd = password
	}
	if err := p.encrypt(u.Kind); err != nil {
		return MySQLTarget{}, err
	}
	hosts := u.Hosts
	if len(hosts) == 0 {
		hosts = []string{"localhost"}
	}
	for _, h := range hosts {
		one := c.Clone()
		if one.Addr = h; strings.LastIndexByte(h, ':') < 0 || strings.HasSuffix(h, "]") {
			one.Addr = h + ":3306"
		}
		host, _, err := net.SplitHostPort(one.Addr)
		if err != nil {
			return MySQLTarget{}, fmt.Errorf("host %q: want host, host:port or [IPv6 address]:port", h)
		}
		one.Net = "tcp"
		if one.TLS != nil {
			one.TLS = one.TLS.Clone()
			one.TLS.ServerName = host
			if p.onlyCA() {
				one.TLS.InsecureSkipVerify = true // the name; the chain is checked by what follows
				one.TLS.VerifyConnection = verifyChain(one.TLS.RootCAs)
			}
		}
		p.target.Configs = append(p.target.Configs, one)
	}
	return p.target, nil
}

// quiet drops what the driver would print: its errors say the same.
type quiet struct{}

func (quiet) Print(...any) {}

func (p *mysqlParams) param(v Param) (err error) {
	t, c := &p.target, p.config
	switch v.Name {
	case "user":
		p.user = v.Value
	case "password":
		p.password = v.Value
	case "sslMode":
		p.sslMode = strings.ToLower(strings.ReplaceAll(v.Value, "_", "-"))
	case "useSSL", "useSsl":
		p.useSSL = strconv.FormatBool(v.Value == "" || strings.EqualFold(v.Value, "true"))
	case "requireSSL":
		p.require = isTrue(v.Value)
	case "verifyServerCertificate":
		p.verify = isTrue(v.Value)
	case "trustServerCertificate": // MariaDB
		if isTrue(v.Value) && p.sslMode == "" {
			p.sslMode = "trust"
		}
	case "serverSslCert":
		p.rootCert = v.Value
	case "trustCertificateKeyStoreUrl", "clientCertificateKeyStoreUrl", "trustStore", "keyStore":
		return p.store(v)
	case "trustCertificateKeyStoreType", "clientCertificateKeyStoreType", "trustStoreType", "keyStoreType":
		if !slices.Contains([]string{"PEM", "JKS", "PKCS12"}, strings.ToUpper(v.Value)) {
			return fmt.Errorf("parameter %s=%s: want JKS, PKCS12 or PEM", v.Name, v.Value)
		} // what the file is shows by its first bytes
	case "trustCertificateKeyStorePassword", "trustStorePassword":
		p.rootPassword = v.Value
	case "clientCertificateKeyStorePassword", "keyStorePassword":
		p.storePassword = v.Value
	case "keyPassword":
		p.keyPassword = v.Value
	case "connectTimeout":
		c.Timeout, err = millis(v)
	case "socketTimeout":
		c.ReadTimeout, err = millis(v)
		c.WriteTimeout = c.ReadTimeout
	case "useCompression":
		return c.Apply(mysql.EnableCompression(isTrue(v.Value)))
	case "sessionVariables":
		for _, one := range splitSettings(v.Value) {
			name, value, ok := strings.Cut(one, "=")
			if !ok {
				return fmt.Errorf("parameter sessionVariables: %q is not name=value", one)
			}
			t.Settings = append(t.Settings, Param{strings.TrimSpace(name), strings.TrimSpace(value)})
		}
	case "tinyInt1isBit":
		t.TinyIntIsBit = isTrue(v.Value)
	case "yearIsDateType":
		t.YearIsDate = isTrue(v.Value)
	default:
		t.warn(v.Name)
	}
	return err
}

func (t *MySQLTarget) warn(name string) {
	switch {
	case mysqlZones[name]:
		t.Warnings = append(t.Warnings, fmt.Sprintf("Parameter %q of the URL has no effect: the connector's option says in which time zone times are meant.", name))
	case mysqlWithoutEffect[name]:
		t.Warnings = append(t.Warnings, fmt.Sprintf("Parameter %q of the URL concerns the JVM's driver only and has no effect.", name))
	default:
		t.Warnings = append(t.Warnings, fmt.Sprintf("Parameter %q of the URL is not known and has no effect.", name))
	}
}

// store takes a file of certificates: a path or a file: URL.
func (p *mysqlParams) store(v Param) error {
	path := v.Value
	if u, err := url.Parse(path); err == nil && u.Scheme == "file" {
		if path = u.Path; path == "" {
			path = u.Opaque // file:relative
		}
	}
	switch v.Name {
	case "trustCertificateKeyStoreUrl", "trustStore":
		p.rootCert = path
	default:
		p.keyStore = path
	}
	return nil
}

func isTrue(text string) bool {
	return strings.EqualFold(text, "true") || strings.EqualFold(text, "yes") || text == "1" || text == ""
}

func millis(v Param) (time.Duration, error) {
	n, err := strconv.Atoi(v.Value)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("parameter %s=%s: want a number of milliseconds", v.Name, v.Value)
	}
	return time.Duration(n) * time.Millisecond, nil
}

// splitSettings parts a list at commas and semicolons outside of quotes.
func splitSettings(text string) []string {
	var out []string
	var quote rune
	at := 0
	for i, r := range text {
		switch {
		case quote != 0:
			if r == quote {
				quote = 0
			}
		case r == '\'' || r == '"' || r == '`':
			quote = r
		case r == ',' || r == ';':
			out = append(out, text[at:i])
			at = i + 1
		}
	}
	return append(out, text[at:])
}

// encrypt chooses TLS as the drivers do. Connector/J: sslMode, and the older useSSL, requireSSL, verifyServerCertificate when it is not
// given. MariaDB Connector/J: sslMode, and useSsl.
func (p *mysqlParams) encrypt(kind Kind) error {
	mode := p.sslMode
	if mode == "" {
		switch {
		case p.useSSL == "false", p.useSSL == "" && kind == MariaDB && !p.require && p.rootCert == "":
			mode = "disabled"
		case p.verify, kind == MariaDB && p.rootCert != "":
			mode = "verify-ca"
			if kind == MariaDB {
				mode = "verify-full"
			}
		case p.require:
			mode = "required"
		case kind == MariaDB:
			mode = "verify-full" // useSsl=true
		default:
			mode = "preferred"
		}
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	switch mode {
	case "disabled", "disable":
		return nil
	case "preferred":
		config.InsecureSkipVerify = true // as the drivers do: who sits in between could switch encryption off as well
		p.config.AllowFallbackToPlaintext = true
	case "required", "trust":
		config.InsecureSkipVerify = true
	case "verify-ca", "verify-identity", "verify-full":
	default:
		return fmt.Errorf("parameter sslMode=%s: want DISABLED, PREFERRED, REQUIRED, VERIFY_CA or VERIFY_IDENTITY (MariaDB: disable, trust, verify-ca, verify-full)", p.sslMode)
	}
	p.sslMode = mode
	if p.rootCert != "" {
		store, err := os.ReadFile(p.rootCert)
		if err != nil {
			return fmt.Errorf("read the certificates to trust: %w", err)
		}
		certs, err := keystore.Trusted(store, p.rootPassword)
		if err != nil {
			return fmt.Errorf("read the certificates to trust in %s: %w", p.rootCert, err)
		}
		config.RootCAs = keystore.Pool(certs)
	}
	if p.keyStore != "" {
		store, err := os.ReadFile(p.keyStore)
		if err != nil {
			return fmt.Errorf("read the client's certificate and key: %w", err)
		}
		if config.Certificates, err = keystore.Identities(store, p.storePassword, p.keyPassword); err != nil {
			return fmt.Errorf("read the client's certificate and key in %s: %w", p.keyStore, err)
		}
	}
	p.config.TLS = config
	return nil
}

// onlyCA tells whether the server's name is not to be checked, but who vouches for it.
func (p *mysqlParams) onlyCA() bool { return p.sslMode == "verify-ca" }

// verifyChain checks a server's certificates without its name.
func verifyChain(roots *x509.CertPool) func(tls.ConnectionState) error {
	return func(s tls.ConnectionState) error {
		if len(s.PeerCertificates) == 0 {
			return errors.New("the server has no certificate")
		}
		between := x509.NewCertPool()
		for _, c := range s.PeerCertificates[1:] {
			between.AddCert(c)
		}
		_, err := s.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between})
		return err
	}
}

// QuoteMySQL quotes an identifier. MySQL manual, "Schema Object Names".
func QuoteMySQL(name string) string {
	return "`" + strings.ReplaceAll(strings.ReplaceAll(name, "\x00", ""), "`", "``") + "`"
}

// LiteralMySQL quotes a text as a string literal, for sessions without NO_BACKSLASH_ESCAPES.
func LiteralMySQL(text string) string { return string(AppendLiteralMySQL(nil, text)) }

// AppendLiteralMySQL appends what LiteralMySQL returns. MySQL manual, "String Literals".
func AppendLiteralMySQL[T string | []byte](dst []byte, text T) []byte {
	dst = append(dst, '\'')
	from := 0
	for i := 0; i < len(text); i++ {
		var escaped byte
		switch text[i] {
		case '\'', '\\':
			escaped = text[i]
		case 0:
			escaped = '0'
		case '\n':
			escaped = 'n'
		case '\r':
			escaped = 'r'
		case 0x1a: // ends a file on Windows
			escaped = 'Z'
		default:
			continue
		}
		dst = append(append(dst, text[from:i]...), '\\', escaped)
		from = i + 1
	}
	return append(append(dst, text[from:]...), '\'')
}

// MySQLNameLimit is how many characters an identifier may have.
const MySQLNameLimit = 64
