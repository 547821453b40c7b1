package replication

import (
	"fmt"
	"math"
	"strings"

	"github.com/tandem-cdc/tandem/internal/config"
)

// DriverKeys are the properties of the JDBC driver that are passed through as database.* or driver.*: those that mean something here, and the
// names of those that tune the driver alone.
func (c *Config) DriverKeys() config.Keys {
	advanced, low := config.Group("CONNECTION_ADVANCED"), config.Rank(config.Low)
	keys := config.Keys{
		config.Int(&c.ConnectSeconds, "database.connectTimeout", "Seconds until an attempt to connect is given up; 0 for no bound. This and the following are properties of the JDBC driver, which may also be given as driver.*.", 0, math.MaxInt32, low, advanced),
		config.Int(&c.LoginSeconds, "database.loginTimeout", "Seconds until connecting and logging in together are given up; 0 for no bound.", 0, math.MaxInt32, low, advanced),
		config.Int(&c.SocketSeconds, "database.socketTimeout", "Seconds of silence after which the operating system counts a peer as dead that does not answer probes; 0 leaves it to its settings. A query that the server works on is not silent: database.query.timeout.ms bounds those.", 0, math.MaxInt32/2, low, advanced),
		config.Enum(&c.ChannelBinding, "database.channelBinding", "Whether logging in by SCRAM is bound to the encrypted connection, which shows that nobody sits in between: disable, prefer, or require, which refuses everything else.",
			[]string{"disable", "prefer", "require"}, low, config.Group("CONNECTION_ADVANCED_SSL")),
		config.Enum(&c.Negotiation, "database.sslNegotiation", "How an encrypted connection begins: postgres asks for it first, direct does not, which saves a round trip and needs PostgreSQL 17 and database.sslmode=require or stricter.",
			[]string{"postgres", "direct"}, low, config.Group("CONNECTION_ADVANCED_SSL")),
		config.String(&c.Schema, "database.currentSchema", "Schemas in which names without one are looked up, in heartbeat.action.query and other statements of yours.", low, advanced, config.Null()),
		config.String(&c.Options, "database.options", "Settings of every session, as -c name=value. Those on which the form of values depends, such as datestyle, stay as they are.", low, advanced, config.Null(), config.Check(func(text string) error {
			_, err := parseOptions(text)
			return err
		})),
		config.String(new(string), "database.ApplicationName", "Connections are named Debezium General, Debezium Snapshot and Debezium Streaming, as Debezium's are.", low, advanced, config.Null(), config.WithoutEffect()),
	}
	for _, name := range driverOnly {
		keys = append(keys, config.String(new(string), "database."+name, "It concerns the JDBC driver only.", low, advanced, config.Null(), config.OnlyJVM()))
	}
	return keys
}

// driverOnly are pgjdbc's properties that change neither what is read nor how the server is reached from here.
var driverOnly = []string{"adaptiveFetch", "adaptiveFetchMaximum", "adaptiveFetchMinimum", "allowEncodingChanges", "assumeMinServerVersion", "authenticationPluginClassName", "autosave",
	"binaryTransfer", "binaryTransferDisable", "binaryTransferEnable", "cancelSignalTimeout", "cleanupSavepoints", "databaseMetadataCacheFields", "databaseMetadataCacheFieldsMiB",
	"defaultRowFetchSize", "disableColumnSanitiser", "escapeSyntaxCallMode", "groupStartupParameters", "gssEncMode", "gssResponseTimeout", "hideUnprivilegedObjects", "hostRecheckSeconds", "jaasApplicationName", "jaasLogin",
	"loadBalanceHosts", "localSocketAddress", "logServerErrorDetail", "logUnclosedConnections", "loggerFile", "loggerLevel", "maxResultBuffer", "maxSendBufferSize", "preferQueryMode",
	"preparedStatementCacheQueries", "preparedStatementCacheSizeMiB", "prepareThreshold", "quoteReturningIdentifiers", "readOnly", "readOnlyMode", "receiveBufferSize",
	"reWriteBatchedInserts", "sendBufferSize", "socketFactory", "socketFactoryArg", "sslfactoryarg", "sslhostnameverifier", "sslpasswordcallback", "sslResponseTimeout", "sspiServiceClass",
	"stringtype", "targetServerType", "tcpNoDelay", "unknownLength", "useSpnego", "xmlFactoryFactory"}

// parseOptions reads "-c name=value -c …", where a backslash quotes the next character.
func parseOptions(text string) (map[string]string, error) {
	out := make(map[string]string)
	var words []string
	var word strings.Builder
	started := false
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\\' && i+1 < len(text):
			i++
			word.WriteByte(text[i])
			started = true
		case text[i] == ' ':
			if started {
				words = append(words, word.String())
			}
			word.Reset()
			started = false
		default:
			word.WriteByte(text[i])
			started = true
		}
	}
	if started {
		words = append(words, word.String())
	}
	for i := 0; i < len(words); i++ {
		setting, ok := strings.CutPrefix(words[i], "-c")
		if long, isLong := strings.CutPrefix(words[i], "--"); isLong {
			setting, ok = long, true
		}
		if ok && setting == "" && i+1 < len(words) {
			i++
			setting = words[i]
		}
		name, value, set := strings.Cut(setting, "=")
		if !ok || !set || name == "" {
			return nil, fmt.Errorf("want -c name=value, separated by blanks, at %q", words[i])
		}
		out[strings.ToLower(strings.ReplaceAll(name, "-", "_"))] = value
	}
	return out, nil
}
