package keystore

import (
	"bytes"
	"crypto/sha1"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"errors"
	"fmt"
	"unicode/utf16"
)

// A JKS store, all numbers big-endian, texts with Int16 length:
//
//	Int32 magic | Int32 version, 1 or 2 | Int32 number of entries | entries | 20 bytes SHA-1
//	entry: Int32 tag | text alias | Int64 time | content
//	content of tag 1, a private key: Int32 length, encrypted key | Int32 number of certificates | certificates
//	content of tag 2, a trusted certificate: certificate
//	certificate: text type, of version 2 alone | Int32 length, DER
//
// The digest is over the password (UTF-16), "Mighty Aphrodite" and all before it.
type jksReader struct {
	rest    []byte
	version uint32
	failed  bool
}

var errJKS = errors.New("the JKS store is cut off or damaged")

func (r *jksReader) bytes(n uint32) []byte {
	if r.failed || uint64(n) > uint64(len(r.rest)) {
		r.failed = true
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *jksReader) uint32() uint32 {
	if b := r.bytes(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (r *jksReader) text() []byte {
	if b := r.bytes(2); b != nil {
		return r.bytes(uint32(binary.BigEndian.Uint16(b)))
	}
	return nil
}

func (r *jksReader) certificate() []byte {
	if r.version == 2 {
		r.text()
	}
	return r.bytes(r.uint32())
}

// jksEntry is one entry, not yet decrypted or parsed.
type jksEntry struct {
	alias string
	key   []byte // nil: a certificate to trust
	chain [][]byte
}

// readJKS checks a store and lists its entries. With an empty password the digest is not checked.
func readJKS(store []byte, password string) ([]jksEntry, error) {
	if len(store) < 12+sha1.Size {
		return nil, errJKS
	}
	body, digest := store[:len(store)-sha1.Size], store[len(store)-sha1.Size:]
	if password != "" {
		h := sha1.New()
		h.Write(javaPassword(password))
		h.Write([]byte("Mighty Aphrodite"))
		h.Write(body)
		if subtle.ConstantTimeCompare(h.Sum(nil), digest) != 1 {
			return nil, fmt.Errorf("%w, or the store is damaged", ErrPassword)
		}
	}
	r := &jksReader{rest: body[4:]}
	if r.version = r.uint32(); r.version != 1 && r.version != 2 {
		return nil, fmt.Errorf("the JKS store is of version %d, want 1 or 2", r.version)
	}
	var entries []jksEntry
	for n := r.uint32(); n > 0 && !r.failed; n-- {
		tag := r.uint32()
		e := jksEntry{alias: string(r.text())}
		r.bytes(8) // its time
		switch tag {
		case 1:
			e.key = r.bytes(r.uint32())
			for c := r.uint32(); c > 0 && !r.failed; c-- {
				e.chain = append(e.chain, r.certificate())
			}
		case 2:
			e.chain = append(e.chain, r.certificate())
		default:
			return nil, errJKS
		}
		entries = append(entries, e)
	}
	if r.failed || len(r.rest) > 0 {
		return nil, errJKS
	}
	return entries, nil
}

func jksIdentities(store []byte, password, keyPassword string) ([]tls.Certificate, error) {
	entries, err := readJKS(store, password)
	if err != nil {
		return nil, err
	}
	var out []tls.Certificate
	for _, e := range entries {
		if e.key == nil {
			continue
		}
		one, err := e.identity(keyPassword)
		if err != nil {
			return nil, fmt.Errorf("key %q: %w", e.alias, err)
		}
		out = append(out, one)
	}
	if len(out) == 0 {
		return nil, errors.New("no private key is in it")
	}
	return out, nil
}

func (e *jksEntry) identity(password string) (tls.Certificate, error) {
	der, err := decryptJKS(e.key, password)
	if err != nil {
		return tls.Certificate{}, err
	}
	key, err := signer(x509.ParsePKCS8PrivateKey(der))
	if err != nil {
		return tls.Certificate{}, err
	}
	chain, err := parseAll(e.chain)
	if err != nil {
		return tls.Certificate{}, err
	}
	return identity(key, chain)
}

func parseAll(ders [][]byte) ([]*x509.Certificate, error) {
	var out []*x509.Certificate
	for _, der := range ders {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

// jksTrusted are, as for Java, the certificates that are entries of their own, and the first of each key's chain.
func jksTrusted(store []byte, password string) ([]*x509.Certificate, error) {
	entries, err := readJKS(store, password)
	if err != nil {
		return nil, err
	}
	var out []*x509.Certificate
	for _, e := range entries {
		certs, err := parseAll(e.chain[:min(1, len(e.chain))])
		if err != nil {
			return nil, fmt.Errorf("certificate %q: %w", e.alias, err)
		}
		out = append(out, certs...)
	}
	if len(out) == 0 {
		return nil, errors.New("no certificate is in it")
	}
	return out, nil
}

// oidJavaKey is Sun's way to encrypt the keys of a JKS store.
var oidJavaKey = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 42, 2, 17, 1, 1}

// decryptJKS opens a key: 20 bytes of salt, the key xor a chain of SHA-1 (password, digest before), SHA-1 (password, key).
func decryptJKS(protected []byte, password string) ([]byte, error) {
	var info struct {
		Algorithm pkix.AlgorithmIdentifier
		Data      []byte
	}
	if rest, err := asn1.Unmarshal(protected, &info); err != nil || len(rest) > 0 {
		return nil, errJKS
	}
	if !info.Algorithm.Algorithm.Equal(oidJavaKey) {
		return nil, fmt.Errorf("the key is encrypted by an algorithm (%v) that is not read", info.Algorithm.Algorithm)
	}
	if len(info.Data) < 2*sha1.Size {
		return nil, errJKS
	}
	secret := javaPassword(password)
	digest, body, proof := info.Data[:sha1.Size], info.Data[sha1.Size:len(info.Data)-sha1.Size], info.Data[len(info.Data)-sha1.Size:]
	key := make([]byte, 0, len(body))
	for len(key) < len(body) {
		sum := sha1.Sum(append(bytes.Clone(secret), digest...))
		digest = sum[:]
		for i := 0; i < len(digest) && len(key) < len(body); i++ {
			key = append(key, body[len(key)]^digest[i])
		}
	}
	if sum := sha1.Sum(append(bytes.Clone(secret), key...)); subtle.ConstantTimeCompare(sum[:], proof) != 1 {
		return nil, ErrPassword
	}
	return key, nil
}

// javaPassword is a Java char array as bytes.
func javaPassword(password string) []byte {
	var b []byte
	for _, c := range utf16.Encode([]rune(password)) {
		b = binary.BigEndian.AppendUint16(b, c)
	}
	return b
}
