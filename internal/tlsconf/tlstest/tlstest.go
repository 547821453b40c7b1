// Package tlstest makes certificates for the tests of whoever speaks TLS: out come a certificate that signs itself and its key, as TLS and as PEM have
// them, valid for an hour. It owns no goroutines.
package tlstest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"testing"
	"time"
)

// Certificate is a certificate of a host, which is its own authority, and its key.
type Certificate struct {
	tls.Certificate
	PEM, KeyPEM []byte
}

// SelfSigned makes a certificate for a host name or address.
func SelfSigned(t testing.TB, host string) Certificate {
	t.Helper()
	return signed(t, host, x509.ECDSAWithSHA256, elliptical(t))
}

// Kind is a way in which certificates are signed.
type Kind struct {
	Certificate
	Signature x509.SignatureAlgorithm
	Bindable  bool // it has a hash that a login can be bound to: RFC 5929, section 4.1
}

// Kinds makes a certificate for a host of each kind.
func Kinds(t testing.TB, host string) []Kind {
	t.Helper()
	ec := elliptical(t)
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	var kinds []Kind
	for _, k := range []struct {
		signature x509.SignatureAlgorithm
		key       crypto.Signer
		bindable  bool
	}{
		{x509.ECDSAWithSHA256, ec, true},
		{x509.ECDSAWithSHA384, ec, true},
		{x509.ECDSAWithSHA512, ec, true},
		{x509.SHA256WithRSA, r, true},
		{x509.SHA384WithRSAPSS, r, true},
		{x509.PureEd25519, edwards, false},
	} {
		kinds = append(kinds, Kind{Certificate: signed(t, host, k.signature, k.key), Signature: k.signature, Bindable: k.bindable})
	}
	return kinds
}

func elliptical(t testing.TB) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func signed(t testing.TB, host string, signature x509.SignatureAlgorithm, key crypto.Signer) (c Certificate) {
	t.Helper()
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: host}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour), SignatureAlgorithm: signature,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	if ip := net.ParseIP(host); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{host}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	c.PEM = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	c.KeyPEM = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
	if c.Certificate, err = tls.X509KeyPair(c.PEM, c.KeyPEM); err != nil {
		t.Fatal(err)
	}
	return c
}
