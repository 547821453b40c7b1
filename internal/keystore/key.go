package keystore

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/md5"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"hash"
)

// PrivateKey reads the first private key of a PEM text, or one in DER: PKCS #8, encrypted or not, PKCS #1 and SEC 1, and the older encrypted PEM of
// OpenSSL.
func PrivateKey(data []byte, password string) (crypto.Signer, error) {
	if formatOf(data) != pemText {
		return parseKey(data, password)
	}
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		switch block.Type {
		case "PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY":
		default:
			continue
		}
		//lint:ignore SA1019 the form is weak, but it is what existing installations have on their disks
		if !x509.IsEncryptedPEMBlock(block) {
			return parseKey(block.Bytes, password)
		}
		if password == "" {
			return nil, errEncrypted
		}
		//lint:ignore SA1019 as above
		der, err := x509.DecryptPEMBlock(block, []byte(password))
		if err != nil {
			return nil, ErrPassword
		}
		return parseKey(der, "")
	}
	return nil, errors.New("no private key in PEM form is in it")
}

var errEncrypted = errors.New("the private key is encrypted, and no password for it is given")

func parseKey(der []byte, password string) (crypto.Signer, error) {
	if key, err := signer(x509.ParsePKCS8PrivateKey(der)); err == nil {
		return key, nil
	}
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return key, nil
	}
	if key, err := x509.ParseECPrivateKey(der); err == nil {
		return key, nil
	}
	var info encryptedKey
	if rest, err := asn1.Unmarshal(der, &info); err != nil || len(rest) > 0 {
		return nil, errors.New("it is no private key of a form that is read (PKCS #8, PKCS #1, SEC 1)")
	}
	if password == "" {
		return nil, errEncrypted
	}
	plain, err := info.decrypt(password)
	if err != nil {
		return nil, err
	}
	key, err := signer(x509.ParsePKCS8PrivateKey(plain))
	if err != nil {
		return nil, ErrPassword // padding comes out right by chance once in 256 times
	}
	return key, nil
}

func signer(key any, err error) (crypto.Signer, error) {
	if err != nil {
		return nil, err
	}
	s, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("private keys of kind %T are not used in TLS", key)
	}
	return s, nil
}

// encryptedKey is EncryptedPrivateKeyInfo of PKCS #8 (RFC 5958).
type encryptedKey struct {
	Algorithm pkix.AlgorithmIdentifier
	Data      []byte
}

// Ways to encrypt it: PBES1, PBES2 (RFC 8018) and that of PKCS #12 (RFC 7292).
var (
	oidMD5DES  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 3}
	oidSHA1DES = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 10}
	oidPBES2   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}
	oidPBKDF2  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}
	oidSHA3DES = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 1, 3}
)

// maxRounds bounds the work that a file can ask for; OpenSSL writes 2,048, Java 10,000.
const maxRounds = 1 << 21

func (k *encryptedKey) decrypt(password string) ([]byte, error) {
	params := k.Algorithm.Parameters.FullBytes
	switch oid := k.Algorithm.Algorithm; {
	case oid.Equal(oidPBES2):
		return k.pbes2(params, password)
	case oid.Equal(oidMD5DES), oid.Equal(oidSHA1DES), oid.Equal(oidSHA3DES):
		return k.older(oid, params, password)
	default:
		return nil, fmt.Errorf("the private key is encrypted by an algorithm (%v) that is not read; convert it: openssl pkcs8 -topk8 -v2 aes-256-cbc -in KEY -out NEW", oid)
	}
}

var errKey = errors.New("the encrypted private key is damaged")

// older is PBES1 and the like: parameters are salt and rounds.
func (k *encryptedKey) older(oid asn1.ObjectIdentifier, params []byte, password string) ([]byte, error) {
	var p struct {
		Salt   []byte
		Rounds int
	}
	if rest, err := asn1.Unmarshal(params, &p); err != nil || len(rest) > 0 || p.Rounds < 1 || p.Rounds > maxRounds {
		return nil, errKey
	}
	if oid.Equal(oidSHA3DES) {
		secret := append(javaPassword(password), 0, 0)
		block, err := des.NewTripleDESCipher(pkcs12KDF(secret, p.Salt, p.Rounds, 1, 24))
		if err != nil {
			return nil, errKey
		}
		return unpad(block, pkcs12KDF(secret, p.Salt, p.Rounds, 2, 8), k.Data)
	}
	h := sha1.New()
	if oid.Equal(oidMD5DES) {
		h = md5.New()
	}
	derived := append([]byte(password), p.Salt...)
	for range p.Rounds {
		h.Reset()
		h.Write(derived)
		derived = h.Sum(nil)
	}
	block, err := des.NewCipher(derived[:8])
	if err != nil {
		return nil, errKey
	}
	return unpad(block, derived[8:16], k.Data)
}

// ciphers and hashes of PBES2.
var (
	pbes2Ciphers = map[string]struct {
		key  int
		make func([]byte) (cipher.Block, error)
	}{
		"2.16.840.1.101.3.4.1.2":  {16, aes.NewCipher},
		"2.16.840.1.101.3.4.1.22": {24, aes.NewCipher},
		"2.16.840.1.101.3.4.1.42": {32, aes.NewCipher},
		"1.2.840.113549.3.7":      {24, des.NewTripleDESCipher},
	}
	pbes2Hashes = map[string]func() hash.Hash{
		"":                    sha1.New, // the default
		"1.2.840.113549.2.7":  sha1.New,
		"1.2.840.113549.2.8":  sha256.New224,
		"1.2.840.113549.2.9":  sha256.New,
		"1.2.840.113549.2.10": sha512.New384,
		"1.2.840.113549.2.11": sha512.New,
	}
)

func (k *encryptedKey) pbes2(params []byte, password string) ([]byte, error) {
	var p struct{ Derivation, Encryption pkix.AlgorithmIdentifier }
	if rest, err := asn1.Unmarshal(params, &p); err != nil || len(rest) > 0 {
		return nil, errKey
	}
	var kdf struct {
		Salt   []byte
		Rounds int
		Length int                      `asn1:"optional"`
		PRF    pkix.AlgorithmIdentifier `asn1:"optional"`
	}
	if !p.Derivation.Algorithm.Equal(oidPBKDF2) {
		return nil, fmt.Errorf("the private key's password is derived by an algorithm (%v) that is not read; convert it: openssl pkcs8 -topk8 -v2 aes-256-cbc -in KEY -out NEW", p.Derivation.Algorithm)
	}
	if rest, err := asn1.Unmarshal(p.Derivation.Parameters.FullBytes, &kdf); err != nil || len(rest) > 0 || kdf.Rounds < 1 || kdf.Rounds > maxRounds {
		return nil, errKey
	}
	c, known := pbes2Ciphers[p.Encryption.Algorithm.String()]
	prf := pbes2Hashes[kdf.PRF.Algorithm.String()]
	if !known || prf == nil {
		return nil, fmt.Errorf("the private key is encrypted by an algorithm (%v, %v) that is not read; convert it: openssl pkcs8 -topk8 -v2 aes-256-cbc -in KEY -out NEW",
			p.Encryption.Algorithm, kdf.PRF.Algorithm)
	}
	var iv []byte
	if rest, err := asn1.Unmarshal(p.Encryption.Parameters.FullBytes, &iv); err != nil || len(rest) > 0 {
		return nil, errKey
	}
	secret, err := pbkdf2.Key(prf, password, kdf.Salt, kdf.Rounds, c.key)
	if err != nil {
		return nil, fmt.Errorf("derive the key of the private key: %w", err)
	}
	block, err := c.make(secret)
	if err != nil {
		return nil, errKey
	}
	return unpad(block, iv, k.Data)
}

// unpad decrypts in the mode CBC and takes the padding off, by which a wrong password shows.
func unpad(block cipher.Block, iv, data []byte) ([]byte, error) {
	size := block.BlockSize()
	if len(iv) != size || len(data) == 0 || len(data)%size != 0 {
		return nil, errKey
	}
	out := make([]byte, len(data))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(out, data)
	n := int(out[len(out)-1])
	if n < 1 || n > size {
		return nil, ErrPassword
	}
	for _, b := range out[len(out)-n:] {
		if int(b) != n {
			return nil, ErrPassword
		}
	}
	return out[:len(out)-n], nil
}

// pkcs12KDF derives n bytes for a purpose (1 key, 2 initialisation vector) with SHA-1: RFC 7292, appendix B.2.
func pkcs12KDF(secret, salt []byte, rounds int, purpose byte, n int) []byte {
	const block = 64
	fill := func(b []byte) []byte {
		if len(b) == 0 {
			return nil
		}
		out := make([]byte, 0, (len(b)+block-1)/block*block)
		for len(out) < cap(out) {
			out = append(out, b[:min(len(b), cap(out)-len(out))]...)
		}
		return out
	}
	input := append(fill(salt), fill(secret)...)
	prefix := make([]byte, block)
	for i := range prefix {
		prefix[i] = purpose
	}
	var out []byte
	for {
		sum := sha1.Sum(append(append([]byte(nil), prefix...), input...))
		for range rounds - 1 {
			sum = sha1.Sum(sum[:])
		}
		out = append(out, sum[:]...)
		if len(out) >= n {
			return out[:n]
		}
		add := fill(sum[:])[:block]
		for at := 0; at < len(input); at += block { // input block + sum + 1, modulo 2^512
			carry := 1
			for i := block - 1; i >= 0; i-- {
				carry += int(input[at+i]) + int(add[i])
				input[at+i] = byte(carry)
				carry >>= 8
			}
		}
	}
}
