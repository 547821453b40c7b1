package keystore

import (
	"bytes"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// subjects are the common names of a chain.
func subjects(t *testing.T, chain [][]byte) []string {
	t.Helper()
	var names []string
	for _, der := range chain {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, c.Subject.CommonName)
	}
	return names
}

func TestIdentities(t *testing.T) {
	reversed := slices.Concat(read(t, "ca.pem"), read(t, "key.pem"), read(t, "leaf.pem")) // people put them together in any order
	for _, c := range []struct {
		name          string
		store         []byte
		password, key string
		want          []string
	}{
		{"JKS of keytool", read(t, "key.jks"), "store-pw", "key-pw", []string{"leaf", "authority"}},
		{"JKS, unproven", read(t, "key.jks"), "", "key-pw", []string{"leaf", "authority"}},
		{"PKCS12 of keytool", read(t, "key.p12"), "store-pw", "", []string{"leaf", "authority"}},
		{"PKCS12 with a certificate to trust", read(t, "mixed.p12"), "store-pw", "", []string{"leaf", "authority"}},
		{"PKCS12 of OpenSSL, not ASCII", read(t, "openssl.p12"), "störe", "", []string{"leaf", "authority"}},
		{"PKCS12 of old OpenSSL", read(t, "legacy.p12"), "store-pw", "", []string{"leaf", "authority"}},
		{"PEM", slices.Concat(read(t, "key.pem"), read(t, "leaf.pem"), read(t, "ca.pem")), "", "", []string{"leaf", "authority"}},
		{"PEM in another order", reversed, "", "", []string{"leaf", "authority"}},
		{"PEM with an encrypted key", slices.Concat(read(t, "pbes2-aes256.key"), read(t, "leaf.pem")), "", "key-pw", []string{"leaf"}},
	} {
		got, err := Identities(c.store, c.password, c.key)
		if err != nil || len(got) != 1 {
			t.Errorf("%s: Identities = %d, %v, want one", c.name, len(got), err)
			continue
		}
		if diff := cmp.Diff(c.want, subjects(t, got[0].Certificate)); diff != "" {
			t.Errorf("%s: chain (-want +got):\n%s", c.name, diff)
		}
		if !public(t).Equal(got[0].Leaf.PublicKey) {
			t.Errorf("%s: the key is another", c.name)
		}
		handshake(t, got[0])
	}
}

// public is the public key of key.pem.
func public(t *testing.T) *rsa.PublicKey {
	t.Helper()
	block, _ := pem.Decode(read(t, "leaf.pem"))
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return c.PublicKey.(*rsa.PublicKey)
}

// handshake proves that a key is that of its certificate.
func handshake(t *testing.T, c tls.Certificate) {
	t.Helper()
	again, err := tls.X509KeyPair(slices.Concat(encoded("CERTIFICATE", c.Certificate...)), encodedKey(t, c))
	if err != nil || len(again.Certificate) == 0 {
		t.Errorf("key and certificate do not belong together: %v", err)
	}
}

func encoded(kind string, ders ...[]byte) []byte {
	var out []byte
	for _, der := range ders {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})...)
	}
	return out
}

func encodedKey(t *testing.T, c tls.Certificate) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	return encoded("PRIVATE KEY", der)
}

func TestTrusted(t *testing.T) {
	for _, c := range []struct {
		name, file, password string
		want                 []string
	}{
		{"JKS", "trust.jks", "store-pw", []string{"authority"}},
		{"JKS without password", "trust.jks", "", []string{"authority"}},
		{"JKS with a key", "key.jks", "store-pw", []string{"authority", "leaf"}},
		{"PKCS12", "trust.p12", "store-pw", []string{"authority"}},
		{"PKCS12 with a key that signs itself", "self.p12", "store-pw", []string{"self"}},
		{"PEM", "ca.pem", "", []string{"authority"}},
	} {
		certs, err := Trusted(read(t, c.file), c.password)
		var got []string
		for _, cert := range certs {
			got = append(got, cert.Subject.CommonName)
		}
		slices.Sort(got)
		if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
			t.Errorf("%s: Trusted = %v (-want +got):\n%s", c.name, err, diff)
		}
	}
	leaf, err := x509.ParseCertificate(first(t, "leaf.pem"))
	if err != nil {
		t.Fatal(err)
	}
	certs, err := Trusted(read(t, "trust.p12"), "store-pw")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: Pool(certs)}); err != nil {
		t.Errorf("Verify with the pool = %v", err)
	}
}

func first(t *testing.T, file string) []byte {
	t.Helper()
	block, _ := pem.Decode(read(t, file))
	return block.Bytes
}

func TestPrivateKey(t *testing.T) {
	for _, file := range []string{"key.pem", "pkcs1.key", "pkcs8.der", "traditional.key", "pbes2-aes256.key", "pbes2-aes128.key", "pbes2-des3.key", "pkcs12-3des.key",
		"pbes1-md5.key", "pbes1-sha1.key", "pbes1-md5.pk8"} {
		key, err := PrivateKey(read(t, file), "key-pw")
		if err != nil || !public(t).Equal(key.Public()) {
			t.Errorf("PrivateKey(%s) = %v, want the key", file, err)
		}
	}
	for _, file := range []string{"traditional.key", "pbes2-aes256.key", "pbes2-des3.key", "pkcs12-3des.key", "pbes1-md5.key"} {
		if _, err := PrivateKey(read(t, file), "other"); !errors.Is(err, ErrPassword) {
			t.Errorf("PrivateKey(%s) with another password = %v, want ErrPassword", file, err)
		}
		if _, err := PrivateKey(read(t, file), ""); !errors.Is(err, errEncrypted) {
			t.Errorf("PrivateKey(%s) without password = %v, want that there is none", file, err)
		}
	}
}

func TestRefused(t *testing.T) {
	jks := read(t, "key.jks")
	cut := bytes.Clone(jks[:len(jks)-30])
	huge := bytes.Clone(jks)
	binary.BigEndian.PutUint32(huge[8:], 1<<31)
	for _, c := range []struct {
		name, want string
		do         func() error
	}{
		{"wrong password of JKS", "password is wrong", identities(jks, "x", "key-pw")},
		{"wrong password of its key", `key "me": the password is wrong`, identities(jks, "store-pw", "")},
		{"JKS cut off", "cut off", identities(cut, "", "key-pw")},
		{"JKS with many entries", "cut off", identities(huge, "", "key-pw")},
		{"JKS without key", "no private key", identities(read(t, "trust.jks"), "store-pw", "")},
		{"wrong password of PKCS12", "password is wrong", identities(read(t, "key.p12"), "x", "")},
		{"PKCS12 without key", "private key missing", identities(read(t, "trust.p12"), "store-pw", "")},
		{"JCEKS", "-srcstoretype JCEKS", identities(read(t, "key.jceks"), "store-pw", "")},
		{"no store", "neither PEM nor", identities([]byte("text"), "", "")},
		{"empty", "neither PEM nor", identities(nil, "", "")},
		{"PEM without certificate", "no certificate", identities(read(t, "key.pem"), "", "")},
		{"PEM without key", "no private key", identities(read(t, "leaf.pem"), "", "")},
		{"PEM of others", "none of the certificates", identities(slices.Concat(read(t, "key.pem"), read(t, "ca.pem")), "", "")},
		{"RC2", "openssl pkcs8 -topk8", key(read(t, "rc2.key"))},
		{"scrypt", "openssl pkcs8 -topk8", key(read(t, "scrypt.key"))},
		{"no key", "no private key of a form", key(first(t, "leaf.pem"))},
		{"wrong password of trusted PKCS12", "password is wrong", trusted(read(t, "trust.p12"), "x")},
		{"no password of trusted PKCS12", "password is wrong", trusted(read(t, "trust.p12"), "")},
		{"PKCS12 of which it cannot be told", "keytool -exportcert", trusted(read(t, "mixed.p12"), "store-pw")},
		{"trusted JCEKS", "JCEKS", trusted(read(t, "key.jceks"), "")},
		{"trusted text", "neither PEM nor", trusted([]byte("x"), "")},
		{"trusted PEM without certificate", "no certificate", trusted(read(t, "key.pem"), "")},
	} {
		if err := c.do(); err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "-pw") {
			t.Errorf("%s: %v, want an error with %q", c.name, err, c.want)
		}
	}
}

func identities(store []byte, password, key string) func() error {
	return func() error { _, err := Identities(store, password, key); return err }
}

func key(data []byte) func() error {
	return func() error { _, err := PrivateKey(data, "key-pw"); return err }
}

func trusted(store []byte, password string) func() error {
	return func() error { _, err := Trusted(store, password); return err }
}

func FuzzStore(f *testing.F) {
	for _, name := range []string{"key.jks", "trust.jks", "self.p12", "trust.p12", "leaf.pem", "pbes1-md5.pk8", "key.jceks"} {
		f.Add(read(f, name), "store-pw")
	}
	f.Fuzz(func(t *testing.T, store []byte, password string) {
		if key, err := PrivateKey(store, password); err == nil && key == nil { // must not panic
			t.Error("PrivateKey gives neither a key nor an error")
		}
		if formatOf(store) == pkcs12 {
			return // the library does as many rounds of hashing as a file says, up to minutes
		}
		if certs, err := Identities(store, password, ""); err == nil && len(certs) == 0 {
			t.Error("Identities gives neither a key nor an error")
		}
		if certs, err := Trusted(store, password); err == nil && len(certs) == 0 {
			t.Error("Trusted gives neither a certificate nor an error")
		}
	})
}
