package keystore

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
)

// ErrPassword: the store, or a key in it, does not open with the password given.
var ErrPassword = errors.New("the password is wrong")

// format is what a store is.
type format uint8

const (
	unknown format = iota
	pemText
	jks
	jceks
	pkcs12 // or another structure in DER
)

// The first four bytes of Java's own formats.
const (
	jksMagic   = 0xFEEDFEED
	jceksMagic = 0xCECECECE
)

func formatOf(store []byte) format {
	switch {
	case bytes.Contains(store, []byte("-----BEGIN ")):
		return pemText
	case len(store) >= 4 && binary.BigEndian.Uint32(store) == jksMagic:
		return jks
	case len(store) >= 4 && binary.BigEndian.Uint32(store) == jceksMagic:
		return jceks
	case len(store) > 0 && store[0] == 0x30: // a sequence
		return pkcs12
	}
	return unknown
}

var (
	errUnknown = errors.New("it is neither PEM nor a store of type JKS or PKCS12")
	errJCEKS   = errors.New("it is a store of type JCEKS, which is not read; convert it: keytool -importkeystore -srcstoretype JCEKS -deststoretype PKCS12")
)

// Identities reads the private keys of a store, each with its chain of certificates; there is at least one. An empty keyPassword is the store's.
// A PKCS #12 store has one password for both.
func Identities(store []byte, password, keyPassword string) ([]tls.Certificate, error) {
	if keyPassword == "" {
		keyPassword = password
	}
	switch formatOf(store) {
	case pemText:
		one, err := Pair(store, store, keyPassword)
		return []tls.Certificate{one}, err
	case jks:
		return jksIdentities(store, password, keyPassword)
	case jceks:
		return nil, errJCEKS
	case pkcs12:
		one, err := pkcs12Identity(store, password)
		return []tls.Certificate{one}, err
	}
	return nil, errUnknown
}

// Trusted reads the certificates of a store that are to be trusted; there is at least one. Without password a JKS store is read unproven, as Java
// does.
func Trusted(store []byte, password string) ([]*x509.Certificate, error) {
	switch formatOf(store) {
	case pemText:
		return certificates(store)
	case jks:
		return jksTrusted(store, password)
	case jceks:
		return nil, errJCEKS
	case pkcs12:
		return pkcs12Trusted(store, password)
	}
	return nil, errUnknown
}

// Pool is a pool of certificates.
func Pool(certs []*x509.Certificate) *x509.CertPool {
	pool := x509.NewCertPool()
	for _, c := range certs {
		pool.AddCert(c)
	}
	return pool
}

// certificates are all in a PEM text.
func certificates(text []byte) ([]*x509.Certificate, error) {
	var out []*x509.Certificate
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", len(out)+1, err)
		}
		out = append(out, c)
	}
	if len(out) == 0 {
		return nil, errors.New("no certificate in PEM form is in it")
	}
	return out, nil
}

// Pair puts a chain of certificates in PEM and the private key of its first one together. The key is PEM or DER, see PrivateKey.
func Pair(chain, key []byte, password string) (tls.Certificate, error) {
	certs, err := certificates(chain)
	if err != nil {
		return tls.Certificate{}, err
	}
	private, err := PrivateKey(key, password)
	if err != nil {
		return tls.Certificate{}, err
	}
	return identity(private, certs)
}

// identity finds the certificate of a key among certs and its issuers behind it.
func identity(key crypto.Signer, certs []*x509.Certificate) (tls.Certificate, error) {
	public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok {
		return tls.Certificate{}, fmt.Errorf("private keys of kind %T are not used in TLS", key)
	}
	for i, c := range certs {
		if !public.Equal(c.PublicKey) {
			continue
		}
		out := tls.Certificate{PrivateKey: key, Leaf: c, Certificate: [][]byte{c.Raw}}
		others := append(append([]*x509.Certificate(nil), certs[:i]...), certs[i+1:]...)
		for last := c; last != nil && !bytes.Equal(last.RawIssuer, last.RawSubject); {
			issuer := take(&others, last.RawIssuer)
			if issuer != nil {
				out.Certificate = append(out.Certificate, issuer.Raw)
			}
			last = issuer
		}
		return out, nil
	}
	return tls.Certificate{}, errors.New("none of the certificates is that of the private key")
}

// take removes the first certificate of a subject; nil if there is none.
func take(certs *[]*x509.Certificate, subject []byte) *x509.Certificate {
	for i, c := range *certs {
		if bytes.Equal(c.RawSubject, subject) {
			*certs = append((*certs)[:i:i], (*certs)[i+1:]...)
			return c
		}
	}
	return nil
}
