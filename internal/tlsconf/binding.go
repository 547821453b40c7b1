package tlsconf

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"

	"github.com/jackc/pgx/v5/pgconn"
)

// bindable are the signatures of certificates that have a hash of their own, which is what tls-server-end-point binds a login to (RFC 5929,
// section 4.1; MD5 and SHA-1 count as SHA-256). Ed25519 has none.
var bindable = map[x509.SignatureAlgorithm]bool{
	x509.MD5WithRSA: true, x509.SHA1WithRSA: true, x509.SHA256WithRSA: true, x509.SHA384WithRSA: true, x509.SHA512WithRSA: true,
	x509.SHA256WithRSAPSS: true, x509.SHA384WithRSAPSS: true, x509.SHA512WithRSAPSS: true,
	x509.ECDSAWithSHA1: true, x509.ECDSAWithSHA256: true, x509.ECDSAWithSHA384: true, x509.ECDSAWithSHA512: true,
}

// Binding completes the handshake of a client's connection and returns what libpq calls channel_binding for a login that is to be bound to it where it
// can be: prefer, or disable where there is nothing to bind it to, as with plain connections. A client that then still offered a bond would be
// taken for one that was tampered with.
func Binding(ctx context.Context, conn net.Conn) (string, error) {
	c, ok := conn.(*tls.Conn)
	if !ok {
		return "disable", nil
	}
	if err := c.HandshakeContext(ctx); err != nil {
		return "", err
	}
	if !bindable[c.ConnectionState().PeerCertificates[0].SignatureAlgorithm] {
		return "disable", nil
	}
	return "prefer", nil
}

// Bind is the AfterNetConnect of a login to PostgreSQL with channel_binding=prefer. It writes to the configuration, which is to be that of this
// connection alone.
func Bind(ctx context.Context, cfg *pgconn.Config, conn net.Conn) (net.Conn, error) {
	var err error
	cfg.ChannelBinding, err = Binding(ctx, conn)
	return conn, err
}
