package keystore

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"

	gopkcs12 "software.sslmate.com/src/go-pkcs12"
)

func pkcs12Identity(store []byte, password string) (tls.Certificate, error) {
	private, leaf, others, err := gopkcs12.DecodeChain(store, password)
	if err != nil {
		return tls.Certificate{}, pkcs12Error(err)
	}
	key, err := signer(private, nil)
	if err != nil {
		return tls.Certificate{}, err
	}
	return identity(key, append([]*x509.Certificate{leaf}, others...))
}

// pkcs12Trusted reads a store of certificates alone, which Java marks as trusted. In one with a key the marks cannot be told apart: it counts when
// there is no more than the key's own certificate, which Java trusts.
func pkcs12Trusted(store []byte, password string) ([]*x509.Certificate, error) {
	certs, err := gopkcs12.DecodeTrustStore(store, password)
	if err == nil {
		if len(certs) == 0 {
			return nil, errors.New("no certificate is in it")
		}
		return certs, nil
	}
	if errors.Is(err, gopkcs12.ErrIncorrectPassword) {
		return nil, pkcs12Error(err)
	}
	_, leaf, others, chainErr := gopkcs12.DecodeChain(store, password)
	switch {
	case chainErr != nil:
		return nil, fmt.Errorf("%w; certificates are trusted that keytool -importcert has put into the store", pkcs12Error(err))
	case len(others) > 0:
		return nil, errors.New("it holds a private key and several certificates, of which it cannot be told which are to be trusted; " +
			"export those as PEM (keytool -exportcert -rfc) and name that file")
	}
	return []*x509.Certificate{leaf}, nil
}

func pkcs12Error(err error) error {
	if errors.Is(err, gopkcs12.ErrIncorrectPassword) || errors.Is(err, gopkcs12.ErrDecryption) {
		return ErrPassword
	}
	return fmt.Errorf("read it as PKCS12: %w", err)
}
