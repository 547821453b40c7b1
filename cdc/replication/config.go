package replication

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/internal/pgerror"
	"github.com/tandem-cdc/tandem/internal/tlsconf"
)

// SSLMode is how a connection is encrypted and the server's certificate checked, as in libpq and pgjdbc.
type SSLMode string

// The values of database.sslmode.
const (
	SSLDisable    SSLMode = "disable"
	SSLAllow      SSLMode = "allow"
	SSLPrefer     SSLMode = "prefer"
	SSLRequire    SSLMode = "require"
	SSLVerifyCA   SSLMode = "verify-ca"
	SSLVerifyFull SSLMode = "verify-full"
)

// Config is how to reach a database; start from DefaultConfig. One host: Debezium's database.hostname takes no list.
type Config struct {
	Host     string
	Port     int
	User     string
	Password config.Secret
	Name     string // of the database

	SSLMode     SSLMode
	SSLCert     string        // file
	SSLKey      string        // file, PEM or DER
	SSLRootCert string        // file
	SSLPassword config.Secret // of SSLKey

	ChannelBinding string // disable, prefer or require
	Negotiation    string // postgres or direct

	TCPKeepAlive   bool
	ConnectSeconds int           // of one attempt to connect; 0 for no bound
	LoginSeconds   int           // the same
	SocketSeconds  int           // of silence, after which a peer that answers no probes is dead; 0: the system's
	Schema         string        // search_path; "": the role's
	Options        string        // -c name=value
	QueryTimeout   time.Duration // statement_timeout of ordinary connections; 0 for none
}

// DefaultConfig is the only place of defaults.
func DefaultConfig() Config {
	return Config{
		Port:           5432,
		SSLMode:        SSLPrefer,
		ChannelBinding: "prefer",
		Negotiation:    "postgres",
		TCPKeepAlive:   true,
		ConnectSeconds: 10, // pgjdbc's connectTimeout
		QueryTimeout:   10 * time.Minute,
	}
}

var hostName = regexp.MustCompile(`[a-zA-Z0-9-_.:]+`)

// Keys is the only place of the names of the connection's options.
func (c *Config) Keys() config.Keys {
	const (
		group    = "CONNECTION"
		ssl      = "CONNECTION_ADVANCED_SSL"
		advanced = "CONNECTION_ADVANCED"
	)
	return config.Keys{
		config.String(&c.Host, "database.hostname", "Host of the database server.", config.Required(), config.Rank(config.High), config.Group(group),
			config.Check(checkHost)),
		config.Int(&c.Port, "database.port", "Port of the database server.", 1, math.MaxUint16, config.Rank(config.High), config.Group(group),
			config.Says("An integer is expected", "An integer is expected")),
		config.String(&c.User, "database.user", "Role to connect as. It needs LOGIN, REPLICATION and SELECT on the captured tables.", config.Required(), config.Rank(config.High), config.Group(group)),
		config.Password(&c.Password, "database.password", "Password of the role.", config.Null(), config.Rank(config.High), config.Group(group)),
		config.String(&c.Name, "database.dbname", "Database whose changes are captured.", config.Required(), config.Rank(config.High), config.Group(group)),
		config.Enum(&c.SSLMode, "database.sslmode", "Encryption: disable, allow, prefer, require, verify-ca (check the server's certificate), verify-full (and its name).",
			[]SSLMode{SSLDisable, SSLAllow, SSLPrefer, SSLRequire, SSLVerifyCA, SSLVerifyFull}, config.Group(ssl)),
		config.String(&c.SSLCert, "database.sslcert", "File of the client's certificate, PEM or DER; not needed when database.sslkey is a PKCS #12 file.", config.Null(), config.Group(ssl)),
		config.String(&c.SSLKey, "database.sslkey", "File of the client's key: PEM, PKCS #8 in DER as pgjdbc reads it, or PKCS #12 (.p12, .pfx), which holds the certificate too. It may be encrypted.", config.Null(), config.Group(ssl)),
		config.Password(&c.SSLPassword, "database.sslpassword", "Password of the client's key.", config.Null(), config.Group(ssl)),
		config.String(&c.SSLRootCert, "database.sslrootcert", "File of the certificates that may sign the server's, PEM; the system's without.", config.Null(), config.Group(ssl)),
		config.Bool(&c.TCPKeepAlive, "database.tcpKeepAlive", "Probe idle connections so that a dead peer is noticed.", config.Group(advanced), config.Twice()),
		config.Millis(&c.QueryTimeout, "database.query.timeout.ms", "Time after which the server ends a query; 0 for no bound.", 0, config.Rank(config.Low), config.Group(group),
			config.As32(), config.Says("An integer is expected", "")),
	}
}

func checkHost(text string) error {
	if text != "" && hostName.FindString(text) != text {
		return config.Complain("%s has invalid format (only the underscore, hyphen, dot and alphanumeric characters are allowed)", text)
	}
	return nil
}

// address is how errors name the server.
func (c *Config) address() string { return net.JoinHostPort(c.Host, strconv.Itoa(c.Port)) }

// session is what every connection's session is set to, so that values have one text form whatever the role, database or server are
// set to. The replication connection needs it as the others do: pgoutput prints values with its session's settings.
func session() map[string]string {
	return map[string]string{
		"client_encoding":                     "UTF8",
		"datestyle":                           "ISO, MDY",
		"intervalstyle":                       "postgres",
		"timezone":                            "UTC",
		"extra_float_digits":                  "3",
		"bytea_output":                        "hex",
		"idle_in_transaction_session_timeout": "0",
		"lock_timeout":                        "0",
	}
}

// driver is the configuration as pgconn takes it. Only what is set here counts: unlike libpq, as pgjdbc, no environment variable, service
// or password file is asked.
func (c *Config) driver(application string, statementTimeout time.Duration) (*pgx.ConnConfig, error) {
	tlsConfigs, err := c.tlsConfigs()
	if err != nil {
		return nil, err
	}
	// The text only has pgx fill in its functions; every field that it or the environment sets is set again below.
	cfg, err := pgx.ParseConfig("sslmode=disable passfile='' target_session_attrs=any host=localhost user=postgres dbname=postgres")
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", c.address(), err)
	}
	cfg.Host, cfg.Port, cfg.User, cfg.Password, cfg.Database = c.Host, uint16(c.Port), c.User, c.Password.Reveal(), c.Name
	cfg.ConnectTimeout, cfg.ValidateConnect, cfg.AfterConnect = c.connectTimeout(), nil, nil
	cfg.SSLNegotiation, cfg.SSLCertMode, cfg.RequireAuth, cfg.ChannelBinding = c.negotiation(), "", "", c.ChannelBinding
	cfg.AfterNetConnect = nil
	if c.ChannelBinding == "prefer" {
		cfg.AfterNetConnect = tlsconf.Bind
	}
	cfg.MinProtocolVersion, cfg.MaxProtocolVersion = "3.0", "3.0"
	cfg.TLSConfig, cfg.Fallbacks = tlsConfigs[0], nil
	for _, t := range tlsConfigs[1:] {
		cfg.Fallbacks = append(cfg.Fallbacks, &pgconn.FallbackConfig{Host: cfg.Host, Port: cfg.Port, TLSConfig: t})
	}
	cfg.DialFunc = (&net.Dialer{KeepAliveConfig: c.probes(), KeepAlive: keepAlive(c.TCPKeepAlive)}).DialContext
	if cfg.RuntimeParams, err = parseOptions(c.Options); err != nil {
		return nil, fmt.Errorf("database.options: %w", err)
	}
	if c.Schema != "" {
		cfg.RuntimeParams["search_path"] = c.Schema
	}
	maps.Copy(cfg.RuntimeParams, session())
	cfg.RuntimeParams["application_name"] = application
	cfg.RuntimeParams["statement_timeout"] = strconv.FormatInt(min(statementTimeout.Milliseconds(), math.MaxInt32), 10)
	return cfg, nil
}

// negotiation is the driver's: an encrypted connection begins with PostgreSQL's question for it unless it must be encrypted anyway.
func (c *Config) negotiation() string {
	if c.Negotiation == "direct" && c.SSLMode != SSLDisable {
		return "direct"
	}
	return ""
}

// connectTimeout is the shorter of both bounds, 0 without any.
func (c *Config) connectTimeout() time.Duration {
	seconds := c.ConnectSeconds
	if c.LoginSeconds > 0 && (seconds == 0 || c.LoginSeconds < seconds) {
		seconds = c.LoginSeconds
	}
	return time.Duration(seconds) * time.Second
}

// probes are sent on idle connections: half of database.socketTimeout after the last byte, and three times in the other half.
func (c *Config) probes() net.KeepAliveConfig {
	k := net.KeepAliveConfig{Enable: c.TCPKeepAlive || c.SocketSeconds > 0}
	if c.SocketSeconds > 0 {
		half := max(time.Duration(c.SocketSeconds)*time.Second/2, time.Second)
		k.Idle, k.Interval, k.Count = half, max(half/3, time.Second), 3
	}
	return k
}

// keepAlive is net.Dialer's: negative turns off what it does by default.
func keepAlive(on bool) time.Duration {
	if on {
		return 0
	}
	return -1
}

// copyBuffer is the read buffer of connections that read tables: 256 KiB are some thousand rows a system call, where pgx reads 8 KiB.
const copyBuffer = 256 << 10

// Purpose says what an ordinary connection is for.
type Purpose uint8

const (
	// General is a connection for the catalog, DDL and small queries; statements end after Config.QueryTimeout.
	General Purpose = iota
	// Snapshot is a connection that reads whole tables: no statement timeout, a large read buffer.
	Snapshot
)

// applicationNames begin as Debezium's do, which monitoring looks for in pg_stat_activity; the first is Debezium's own.
var applicationNames = [...]string{General: "Debezium General", Snapshot: "Debezium Snapshot"}

// Connect opens an ordinary connection. The caller closes it.
func (c *Config) Connect(ctx context.Context, purpose Purpose) (*pgx.Conn, error) {
	timeout := c.QueryTimeout
	if purpose == Snapshot {
		timeout = 0
	}
	cfg, err := c.driver(applicationNames[purpose], timeout)
	if err != nil {
		return nil, err
	}
	if purpose == Snapshot {
		cfg.BuildFrontend = func(r io.Reader, w io.Writer) *pgproto3.Frontend {
			return pgproto3.NewFrontend(bufio.NewReaderSize(r, copyBuffer), w)
		}
	}
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, c.connectError(err)
	}
	return conn, nil
}

// connectError says which server refused which role and what to do.
func (c *Config) connectError(err error) error {
	var network net.Error
	if c.ChannelBinding == "require" && pgerror.Code(err) == "" && !errors.As(err, &network) && !hungUp(err) && !errors.Is(err, context.Canceled) {
		return &ServerError{c.address(), fmt.Sprintf("connect to database %q as %q: %v; database.channelBinding=require needs an encrypted connection and a password that the server keeps for SCRAM (password_encryption)", c.Name, c.User, err)}
	}
	where := c.address()
	if c.negotiation() == "direct" && hungUp(err) {
		where += " with database.sslNegotiation=direct, on which servers hang up that are older than PostgreSQL 17 or have ssl=off,"
	}
	return pgerror.Wrap(err, "connect to database %q at %s as %q", c.Name, where, c.User)
}

// hungUp tells that the server closed the connection without a word.
func hungUp(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// Classify makes an error of a connection of this package answer Retriable() bool; nil stays nil.
func Classify(err error) error { return pgerror.Classify(err) }

// quoteLiteral writes text as an SQL string. Strings are standard conforming (the server's default since 9.1, and what the replication
// grammar always reads), so a backslash is a backslash.
func quoteLiteral(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

// quoteIdentifier writes a name as an SQL identifier.
func quoteIdentifier(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
