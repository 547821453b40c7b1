package client

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"strconv"
	"strings"
)

// scram is the client's side of RFC 5802, three messages:
//
//	n,,n=user,r=nonce → r=nonce…,s=salt,i=iterations → c=biws,r=nonce…,p=proof → v=signature
//
// One scram serves one login.
type scram struct {
	hash       func() hash.Hash
	password   string
	nonce      string
	firstBare  string
	serverSign []byte
	step       int
}

func newScram(m Mechanism) *scram {
	if m == ScramSHA256 {
		return &scram{hash: sha256.New}
	}
	return &scram{hash: sha512.New}
}

// Begin stores the login. The authorisation identity is not used by Kafka.
func (s *scram) Begin(user, password, _ string) error {
	s.password = password
	if s.nonce == "" {
		s.nonce = rand.Text()
	}
	s.firstBare = "n=" + strings.NewReplacer("=", "=3D", ",", "=2C").Replace(user) + ",r=" + s.nonce
	return nil
}

// Step answers the server's message; the first, empty one starts.
func (s *scram) Step(challenge string) (string, error) {
	s.step++
	switch s.step {
	case 1:
		return "n,," + s.firstBare, nil
	case 2:
		return s.prove(challenge)
	case 3:
		return "", s.verify(challenge)
	}
	return "", errors.New("SCRAM: the server goes on after its last message")
}

// Done tells that the server has proven itself too.
func (s *scram) Done() bool { return s.step >= 3 }

func (s *scram) prove(first string) (string, error) {
	f := scramFields(first)
	salt, err := base64.StdEncoding.DecodeString(f['s'])
	if err != nil {
		return "", fmt.Errorf("SCRAM: salt of the server: %w", err)
	}
	rounds, err := strconv.Atoi(f['i'])
	if err != nil || rounds < 1 || rounds > 1<<20 {
		return "", fmt.Errorf("SCRAM: iterations %q of the server", f['i'])
	}
	if !strings.HasPrefix(f['r'], s.nonce) || len(f['r']) == len(s.nonce) {
		return "", errors.New("SCRAM: the server answers another login")
	}
	salted, err := pbkdf2.Key(s.hash, s.password, salt, rounds, s.hash().Size())
	if err != nil {
		return "", fmt.Errorf("SCRAM: %w", err)
	}
	clientKey := s.mac(salted, "Client Key")
	stored := s.hash()
	stored.Write(clientKey)
	lastBare := "c=biws,r=" + f['r']
	auth := s.firstBare + "," + first + "," + lastBare
	proof := s.mac(stored.Sum(nil), auth)
	subtle.XORBytes(proof, proof, clientKey)
	s.serverSign = s.mac(s.mac(salted, "Server Key"), auth)
	return lastBare + ",p=" + base64.StdEncoding.EncodeToString(proof), nil
}

func (s *scram) verify(last string) error {
	f := scramFields(last)
	if f['e'] != "" {
		return fmt.Errorf("SCRAM: %s", f['e'])
	}
	sign, err := base64.StdEncoding.DecodeString(f['v'])
	if err != nil || !hmac.Equal(sign, s.serverSign) {
		return errors.New("SCRAM: the server does not know the password")
	}
	return nil
}

func (s *scram) mac(key []byte, text string) []byte {
	h := hmac.New(s.hash, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

func scramFields(message string) map[byte]string {
	f := make(map[byte]string)
	for _, part := range strings.Split(message, ",") {
		if len(part) > 1 && part[1] == '=' {
			f[part[0]] = part[2:]
		}
	}
	return f
}
