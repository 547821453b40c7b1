package dialect

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tandem-cdc/tandem/internal/tlsconf"
)

// PostgresTarget is what a PostgreSQL JDBC URL says.
type PostgresTarget struct {
	Config *pgconn.Config // each connection takes a Copy
	// Settings are session settings to be made after connecting, name and value: poolers refuse most of them at startup.
	Settings []Param
	// Unprepared: the URL asks for statements without names (prepareThreshold=0), as poolers in transaction mode need them.
	Unprepared bool
	// Warnings name parameters that have no effect.
	Warnings []string
}

// withoutEffect are parameters of pgjdbc that tune what only it has.
var withoutEffect = map[string]bool{
	"reWriteBatchedInserts": true, "binaryTransfer": true, "binaryTransferEnable": true, "binaryTransferDisable": true, "stringtype": true,
	"preparedStatementCacheQueries": true, "preparedStatementCacheSizeMiB": true, "defaultRowFetchSize": true, "preferQueryMode": true,
	"loggerLevel": true, "loggerFile": true, "logUnclosedConnections": true, "autosave": true, "cleanupSavepoints": true,
	"adaptiveFetch": true, "databaseMetadataCacheFields": true, "databaseMetadataCacheFieldsMiB": true, "receiveBufferSize": true,
	"sendBufferSize": true, "tcpKeepAlive": true, "tcpNoDelay": true, "assumeMinServerVersion": true, "disableColumnSanitiser": true,
	"sslResponseTimeout": true, "cancelSignalTimeout": true, "maxResultBuffer": true, "unknownLength": true, "socketTimeout": true,
	"loadBalanceHosts": true, "hostRecheckSeconds": true, "allowEncodingChanges": true, "escapeSyntaxCallMode": true,
}

// PostgresConfig makes pgx's configuration of a JDBC URL. user and password, when not empty, win over the URL's. What both leave open
// has pgjdbc's defaults (localhost, 5432, sslmode prefer, 10 s to connect), and libpq's environment variables where it has none.
func PostgresConfig(u JDBC, user, password string) (PostgresTarget, error) {
	t, dsn, err := postgresTarget(u, user, password)
	if err != nil {
		return PostgresTarget{}, err
	}
	if t.Config, err = pgconn.ParseConfig(dsn); err != nil {
		return PostgresTarget{}, fmt.Errorf("%s", withoutText(err, dsn))
	}
	if t.Config.ChannelBinding == "prefer" {
		t.Config.AfterNetConnect = tlsconf.Bind
	}
	return t, nil
}

// postgresTarget is a PostgresTarget without its configuration, and the connection string to make that of.
func postgresTarget(u JDBC, user, password string) (t PostgresTarget, dsn string, err error) {
	set := map[string]string{"sslmode": "prefer", "connect_timeout": "10"} // pgjdbc's own defaults
	for _, p := range u.Params {
		if err := t.param(set, p); err != nil {
			return PostgresTarget{}, "", err
		}
	}
	if mode := set["sslmode"]; set["sslnegotiation"] == "direct" && (mode == "allow" || mode == "prefer") {
		return PostgresTarget{}, "", fmt.Errorf("parameter sslNegotiation=direct needs sslmode=require, verify-ca or verify-full; it is %s", mode)
	}
	hosts := slices.Clone(u.Hosts)
	if len(hosts) == 0 {
		hosts = []string{"localhost:5432"}
	}
	for i, h := range hosts {
		if port := strings.LastIndexByte(h, ':'); port < 0 || strings.HasSuffix(h, "]") {
			hosts[i] = h + ":5432"
		}
	}
	if user == "" {
		user = set["user"]
	}
	if password == "" {
		password = set["password"]
	}
	delete(set, "user")
	delete(set, "password")
	database := u.Database
	if database == "" {
		database = user // as the server does
	}
	query := make(url.Values)
	for name, value := range set {
		query.Set(name, value)
	}
	full := url.URL{Scheme: "postgres", User: url.UserPassword(user, password), Host: strings.Join(hosts, ","), Path: "/" + database, RawQuery: strings.ReplaceAll(query.Encode(), "+", "%20")} // pgx reads a plus as one, as libpq does
	return t, full.String(), nil
}

// withoutText keeps the cause of a parse error and drops the connection string it quotes.
func withoutText(err error, dsn string) string {
	text := strings.ReplaceAll(err.Error(), dsn, "")
	if _, cause, ok := strings.Cut(text, "`: "); ok {
		return cause
	}
	return "the URL cannot be read: check host names and ports"
}

// param takes one parameter of the URL over into set, pgx's names.
func (t *PostgresTarget) param(set map[string]string, p Param) error {
	switch p.Name {
	case "user", "password", "sslmode", "sslrootcert", "sslcert", "sslkey", "sslpassword", "options":
		set[p.Name] = p.Value
	case "channelBinding":
		set["channel_binding"] = p.Value
	case "sslNegotiation":
		if p.Value != "postgres" && p.Value != "direct" {
			return fmt.Errorf("parameter sslNegotiation=%s: want postgres or direct", p.Value)
		}
		set["sslnegotiation"] = p.Value
	case "ssl":
		if p.Value == "" || strings.EqualFold(p.Value, "true") {
			if set["sslmode"] == "prefer" {
				set["sslmode"] = "verify-full" // pgjdbc since 42.2.5
			}
		}
	case "currentSchema":
		t.Settings = append(t.Settings, Param{"search_path", p.Value})
	case "ApplicationName":
		set["application_name"] = p.Value
	case "connectTimeout", "loginTimeout":
		if n, err := strconv.ParseFloat(p.Value, 64); err != nil || n < 0 {
			return fmt.Errorf("parameter %s=%s: want a number of seconds", p.Name, p.Value)
		} else if n > 0 {
			set["connect_timeout"] = strconv.Itoa(max(1, int(n)))
		}
	case "targetServerType":
		kind, ok := map[string]string{"any": "any", "primary": "primary", "master": "primary", "secondary": "standby", "slave": "standby",
			"preferSecondary": "prefer-standby", "preferSlave": "prefer-standby", "preferPrimary": "any"}[p.Value]
		if !ok {
			return fmt.Errorf("parameter targetServerType=%s: want any, primary, secondary, preferPrimary or preferSecondary", p.Value)
		}
		set["target_session_attrs"] = kind
	case "prepareThreshold":
		t.Unprepared = p.Value == "0"
	case "readOnly":
		if strings.EqualFold(p.Value, "true") {
			t.Settings = append(t.Settings, Param{"default_transaction_read_only", "on"})
		}
	default:
		if withoutEffect[p.Name] {
			t.Warnings = append(t.Warnings, fmt.Sprintf("Parameter %q of the URL concerns the JVM's driver only and has no effect.", p.Name))
		} else {
			t.Warnings = append(t.Warnings, fmt.Sprintf("Parameter %q of the URL is not known and has no effect.", p.Name))
		}
	}
	return nil
}

// QuotePostgres quotes an identifier. PostgreSQL manual, "Identifiers and Key Words".
func QuotePostgres(name string) string {
	return `"` + strings.ReplaceAll(strings.ReplaceAll(name, "\x00", ""), `"`, `""`) + `"`
}

// LiteralPostgres quotes a text as a string literal, whatever standard_conforming_strings says.
func LiteralPostgres(text string) string {
	text = strings.ReplaceAll(text, "'", "''")
	if strings.Contains(text, `\`) {
		return ` E'` + strings.ReplaceAll(text, `\`, `\\`) + `'`
	}
	return `'` + text + `'`
}

// PostgresNameLimit is how many bytes of an identifier the server keeps: NAMEDATALEN - 1.
const PostgresNameLimit = 63
