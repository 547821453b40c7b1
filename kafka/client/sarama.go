package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/IBM/sarama"
	"github.com/rcrowley/go-metrics"

	"github.com/tandem-cdc/tandem/kafka"
)

// sarama feeds a registry of go-metrics, whose meters keep a goroutine of the process and take time per batch. We count ourselves, and
// this is the only switch there is.
var _ = func() struct{} { metrics.UseNilMetrics = true; return struct{}{} }()

// dialer opens the connections of one sarama client. sarama's calls take no context: when ctx ends, dialling stops, and hangUp closes every
// connection, so that whatever waits on one returns.
type dialer struct {
	timeout time.Duration
	tls     *tls.Config // nil: none; sarama's own would hide from traffic what passes
	patient time.Duration
	traffic *Traffic                // nil: nobody counts
	wrap    func(net.Conn) net.Conn // of a connection that sarama is given; nil: it is given as it is

	mu    sync.Mutex
	ctx   context.Context // what sarama should have been given: that of Run, or of the Admin's present call
	conns map[*trackedConn]struct{}
}

func newDialer(ctx context.Context, timeout time.Duration) *dialer {
	return &dialer{ctx: ctx, timeout: timeout, conns: make(map[*trackedConn]struct{})}
}

// Dial implements proxy.Dialer, sarama's only seam for connections.
func (d *dialer) Dial(network, addr string) (net.Conn, error) {
	d.mu.Lock()
	ctx := d.ctx
	d.mu.Unlock()
	nd := net.Dialer{Timeout: d.timeout, KeepAlive: 30 * time.Second}
	conn, err := nd.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := ctx.Err(); err != nil { // hangUp may be over already
		conn.Close()
		return nil, err
	}
	c := &trackedConn{Conn: conn, dialer: d}
	d.conns[c] = struct{}{}
	var out net.Conn
	if d.tls == nil {
		out = d.traffic.counted(c, addr)
	} else {
		out = &tlsConn{Conn: d.traffic.counted(tls.Client(c, serverOf(addr, d.tls)), addr), handshake: d.patient}
	}
	if d.wrap != nil {
		out = d.wrap(out)
	}
	return out, nil
}

// serverOf has the certificate checked against the host that was dialled, unless the configuration names another.
func serverOf(addr string, c *tls.Config) *tls.Config {
	host, _, err := net.SplitHostPort(addr)
	if c.ServerName != "" || err != nil {
		return c
	}
	c = c.Clone()
	c.ServerName = host
	return c
}

// tlsConn bounds the handshake, which comes with the first write and reads too.
type tlsConn struct {
	net.Conn
	handshake time.Duration
	begun     bool
}

func (c *tlsConn) SetWriteDeadline(t time.Time) error {
	if err := c.Conn.SetWriteDeadline(t); err != nil || c.begun {
		return err
	}
	c.begun = true
	return c.Conn.SetReadDeadline(time.Now().Add(c.handshake))
}

// use sets the context of the calls to come; stop ends its power over the connections.
func (d *dialer) use(ctx context.Context) (stop func() bool) {
	d.mu.Lock()
	d.ctx = ctx
	d.mu.Unlock()
	return context.AfterFunc(ctx, d.hangUp)
}

func (d *dialer) hangUp() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for c := range d.conns {
		c.Conn.Close()
	}
}

// trackedConn leaves the dialer when it is closed.
type trackedConn struct {
	net.Conn
	dialer *dialer
}

func (c *trackedConn) Close() error {
	c.dialer.mu.Lock()
	delete(c.dialer.conns, c)
	c.dialer.mu.Unlock()
	return c.Conn.Close()
}

// saramaConfig translates. Retries are ours: sarama's sleep without a context.
func saramaConfig(d *dialer, c Config) (*sarama.Config, error) {
	s := sarama.NewConfig()
	s.Version = sarama.MaxVersion // lowered per request to what the broker offers
	s.ClientID = "tandem"
	if c.ClientID != "" {
		s.ClientID = c.ClientID
	}
	s.RackID = c.Rack
	s.Net.Proxy.Enable = true
	s.Net.Proxy.Dialer = d
	d.traffic = c.Traffic
	s.Net.DialTimeout = c.DialTimeout
	s.Net.ReadTimeout = c.RequestTimeout + time.Second // the broker's own time limit comes first
	s.Net.WriteTimeout = c.RequestTimeout
	s.Net.MaxOpenRequests = max(c.Producer.MaxInFlight, 1)
	s.Metadata.Full = false
	s.Metadata.Retry.Max = 0
	s.Metadata.RefreshFrequency = c.MetadataAge
	s.Metadata.Timeout = c.APITimeout
	s.Metadata.AllowAutoTopicCreation = c.Role == ForProducer || c.Role == ForConsumer && c.Consumer.AutoCreate
	if c.Security.encrypted() {
		tlsConfig, err := c.Security.TLS.Client()
		if err != nil {
			return nil, fmt.Errorf("read the certificates: %w", err)
		}
		d.tls, d.patient = tlsConfig, s.Net.ReadTimeout
	}
	if c.Security.sasl() {
		login, err := c.Security.credentials()
		if err != nil {
			return nil, fmt.Errorf("sasl.jaas.config: %w", err)
		}
		m := c.Security.Mechanism
		s.Net.SASL.Enable, s.Net.SASL.User, s.Net.SASL.Password = true, login.user, login.password
		s.Net.SASL.Mechanism, s.Net.SASL.TokenProvider = sarama.SASLMechanism(m), &tokens{login, d}
		s.Net.SASL.SCRAMClientGeneratorFunc = func() sarama.SCRAMClient { return newScram(m) }
	}
	return s, nil
}

// open makes a sarama client that lives no longer than ctx. Nothing is dialled before its first call. wrap stands between it and its
// connections.
func open(ctx context.Context, c Config, wrap func(net.Conn) net.Conn) (sarama.Client, error) {
	d := newDialer(ctx, c.DialTimeout)
	d.wrap = wrap
	s, err := saramaConfig(d, c)
	if err != nil {
		return nil, err
	}
	cl, err := sarama.NewClient(c.Brokers, s)
	if err != nil {
		return nil, fmt.Errorf("set up the Kafka %s: %w", c.Role, err)
	}
	d.use(ctx)
	c.Traffic.follow(cl)
	return cl, nil
}

// refreshMetadata has sarama look up topics. When sarama has run out of brokers because they refuse the SASL handshake it does not say so: then a
// broker is asked for the cause.
func refreshMetadata(client sarama.Client, topics ...string) error {
	err := client.RefreshMetadata(topics...)
	if !client.Config().Net.SASL.Enable || !errors.Is(err, sarama.ErrOutOfBrokers) {
		return err
	}
	broker := client.LeastLoadedBroker()
	if broker == nil {
		return err
	}
	req := sarama.NewMetadataRequest(sarama.MaxVersion, []string{noTopic})
	req.AllowAutoTopicCreation = false
	_, cause := broker.GetMetadata(req)
	if errors.Is(cause, sarama.ErrUnsupportedSASLMechanism) || errors.Is(cause, sarama.ErrIllegalSASLState) {
		_ = broker.Close()
		return fmt.Errorf("log in with sasl.mechanism=%s: %w", client.Config().Net.SASL.Mechanism, cause)
	}
	return err
}

// classify turns what sarama or a broker answered into the error classes of package kafka. op is a verb phrase with its operand.
func classify(op string, err error) error {
	if err == nil {
		return nil
	}
	var refused *kafka.AuthError
	var gone *kafka.UnavailableError
	if errors.As(err, &refused) || errors.As(err, &gone) { // it is of its class, and says what to do
		return fmt.Errorf("%s: %w", op, err)
	}
	if errors.Is(err, sarama.ErrSASLAuthenticationFailed) || errors.Is(err, sarama.ErrUnsupportedSASLMechanism) || errors.Is(err, sarama.ErrIllegalSASLState) { // errors.As does not find them all
		return &kafka.AuthError{Op: op, Err: plainText(err)}
	}
	var code sarama.KError
	if errors.As(err, &code) {
		switch code {
		case sarama.ErrTopicAuthorizationFailed, sarama.ErrGroupAuthorizationFailed, sarama.ErrClusterAuthorizationFailed, sarama.ErrTransactionalIDAuthorizationFailed, sarama.ErrSecurityDisabled:
			return &kafka.AuthError{Op: op, Err: plainText(err)}
		case sarama.ErrLeaderNotAvailable, sarama.ErrNotLeaderForPartition, sarama.ErrRequestTimedOut, sarama.ErrBrokerNotAvailable,
			sarama.ErrReplicaNotAvailable, sarama.ErrNetworkException, sarama.ErrNotEnoughReplicas, sarama.ErrNotEnoughReplicasAfterAppend,
			sarama.ErrConsumerCoordinatorNotAvailable, sarama.ErrNotCoordinatorForConsumer, sarama.ErrOffsetsLoadInProgress,
			sarama.ErrNotController, sarama.ErrKafkaStorageError, sarama.ErrTransactionCoordinatorFenced:
			return &kafka.UnavailableError{Op: op, Err: plainText(err)}
		}
		return &kafka.BrokerError{Op: op, Code: int16(code), Err: plainText(err), Transient: transient(code)}
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) && !isNetwork(err) {
		return fmt.Errorf("%s: %w", op, err)
	}
	var cert *tls.CertificateVerificationError
	var alert *net.OpError
	if errors.As(err, &cert) || errors.As(err, &alert) && alert.Op == "remote error" { // crypto/tls: the broker refuses us
		return &kafka.AuthError{Op: op, Err: plainText(err)}
	}
	if isNetwork(err) || errors.Is(err, sarama.ErrOutOfBrokers) || errors.Is(err, sarama.ErrNotConnected) || errors.Is(err, sarama.ErrClosedClient) ||
		errors.Is(err, sarama.ErrBrokerNotFound) || errors.Is(err, sarama.ErrControllerNotAvailable) {
		return &kafka.UnavailableError{Op: op, Err: plainText(err)}
	}
	return fmt.Errorf("%s: %w", op, err)
}

func isNetwork(err error) bool {
	var n net.Error
	return errors.As(err, &n) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed)
}

// transient are the codes Kafka's protocol guide calls retriable, beyond those that mean unavailable.
func transient(code sarama.KError) bool {
	switch code {
	case sarama.ErrInvalidMessage, sarama.ErrUnknownTopicOrPartition, sarama.ErrOffsetNotAvailable, sarama.ErrUnstableOffsetCommit,
		sarama.ErrThrottlingQuotaExceeded, sarama.ErrConcurrentTransactions, sarama.ErrFetchSessionIDNotFound, sarama.ErrInvalidFetchSessionEpoch,
		sarama.ErrFencedLeaderEpoch, sarama.ErrUnknownLeaderEpoch, sarama.ErrPreferredLeaderNotAvailable, sarama.ErrEligibleLeadersNotAvailable,
		sarama.ErrListenerNotFound, sarama.ErrOutOfOrderSequenceNumber, sarama.ErrUnknownProducerID, sarama.ErrInvalidProducerEpoch,
		sarama.ErrOperationNotAttempted, sarama.ErrRebalanceInProgress, sarama.ErrIllegalGeneration, sarama.ErrUnknownMemberId, sarama.ErrUnknown:
		return true
	}
	return false
}

// cleanError is an error without sarama's own prefixes, which say "kafka server: " before every sentence and join causes over lines.
type cleanError struct {
	text string
	err  error
}

func (e *cleanError) Error() string { return e.text }
func (e *cleanError) Unwrap() error { return e.err }

var prefixes = strings.NewReplacer("kafka server: ", "", "kafka: ", "", "\n", "; ", "\t", "")

func plainText(err error) error {
	var code sarama.KError
	if errors.As(err, &code) {
		if text := unnamed[code]; text != "" {
			return &cleanError{text: text, err: err}
		}
	}
	return &cleanError{text: prefixes.Replace(err.Error()), err: err}
}

// unnamed are codes that sarama has no text for.
var unnamed = map[sarama.KError]string{
	sarama.ErrProducerFenced: "there is a newer producer with the same transactional.id, or its transaction timed out",
	errTransactionAbortable:  "the transaction can only be aborted",
}

// backoff is the wait before attempt n (from 0), doubled up to the most, a fifth more or less by chance.
func (c *Config) backoff(n int) time.Duration {
	d := c.RetryBackoff
	for ; n > 0 && d < c.RetryBackoffMost; n-- {
		d *= 2
	}
	d = min(d, max(c.RetryBackoffMost, c.RetryBackoff))
	return time.Duration(float64(d) * (0.8 + 0.4*rand.Float64()))
}
