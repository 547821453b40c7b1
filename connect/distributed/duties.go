package distributed

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"hash"
	"slices"
	"strings"
	"time"

	"github.com/tandem-cdc/tandem/connect"
)

// duties are what the loop does without being asked: to join when a delay is over, and, as the leader, to make keys.
func (h *Herder) duties() {
	p := &h.place
	if p.tenure == nil || p.tenure.Err() != nil {
		return
	}
	now := time.Now()
	if !p.rejoinAt.IsZero() && !now.Before(p.rejoinAt) {
		p.rejoinAt = time.Time{}
		h.member.Rejoin()
	}
	if h.keyDue(now) {
		h.at("making a key for requests between workers")
		key := &sessionKey{key: newKey(h.group.KeyAlgorithm, h.group.KeySize), algorithm: h.group.KeyAlgorithm, created: now}
		if err := h.configs.putSessionKey(p.tenure, key); err != nil && p.tenure.Err() == nil {
			h.log.Warn("cannot make a new key for requests between workers; the old one stays", "error", err)
			h.keyAgain = now.Add(keyRetry)
		}
		h.takeChanges()
	}
}

// keyRetry is the pause after a key could not be written.
const keyRetry = 10 * time.Second

// keyDue tells that this worker leads a group that signs requests, whose key is too old or not there.
func (h *Herder) keyDue(now time.Time) bool {
	p := &h.place
	if !p.leads() || p.version < 2 || !p.settled || now.Before(h.keyAgain) {
		return false
	}
	return h.state.key == nil || h.group.KeyTTL > 0 && now.Sub(h.state.key.created) >= h.group.KeyTTL
}

// nextDuty is how long the loop may sleep.
func (h *Herder) nextDuty() time.Duration {
	wait := time.Hour
	now := time.Now()
	sooner := func(at time.Time) {
		if !at.IsZero() {
			wait = min(wait, max(at.Sub(now), time.Millisecond))
		}
	}
	p := &h.place
	if p.tenure == nil {
		return wait
	}
	sooner(p.rejoinAt)
	if p.leads() && p.version >= 2 && p.settled {
		sooner(h.keyAgain)
		if h.state.key != nil && h.group.KeyTTL > 0 {
			sooner(h.state.key.created.Add(h.group.KeyTTL))
		}
	}
	for _, r := range h.waiting {
		if deadline, has := r.ctx.Deadline(); has {
			sooner(deadline)
		}
	}
	return wait
}

// macs are the algorithms by Java's names.
var macs = map[string]func() hash.Hash{
	"HmacSHA1":   sha1.New,
	"HmacSHA224": sha256.New224,
	"HmacSHA256": sha256.New,
	"HmacSHA384": sha512.New384,
	"HmacSHA512": sha512.New,
}

// newKey makes a key of so many bits; 0: as long as the algorithm's result.
func newKey(algorithm string, bits int) []byte {
	size := bits / 8
	if size == 0 {
		size = macs[algorithm]().Size()
	}
	key := make([]byte, size)
	_, _ = rand.Read(key) // never fails
	return key
}

func sign(key []byte, algorithm string, body []byte) []byte {
	m := hmac.New(macs[algorithm], key)
	m.Write(body)
	return m.Sum(nil)
}

// Headers of a signed request.
const (
	signatureHeader = "X-Connect-Authorization"
	algorithmHeader = "X-Connect-Request-Signature-Algorithm"
)

// verify refuses a request that no worker of this group can have made. Within the loop.
func (h *Herder) verify(auth connect.InternalAuth) error {
	if h.place.version < 2 { // the group does not sign
		return nil
	}
	refused := func(why connect.Refusal, format string, args ...any) error {
		return &connect.RefusedError{Why: why, Message: fmt.Sprintf(format, args...)}
	}
	mac, known := macs[auth.Algorithm]
	switch {
	case auth.Signature == nil:
		return refused(connect.Invalid, "Internal request missing required signature")
	case !known || !slices.Contains(h.group.VerificationAlgorithms, auth.Algorithm):
		return refused(connect.Invalid, "This worker does not support the '%s' key signing algorithm used by other workers. It is configured to use: [%s]. Let all workers have the same inter.worker.verification.algorithms.",
			auth.Algorithm, strings.Join(h.group.VerificationAlgorithms, ", "))
	case h.state.key == nil:
		return refused(connect.Unavailable, "This worker is still starting up and has not been able to read a session key from the config topic yet")
	}
	m := hmac.New(mac, h.state.key.key)
	m.Write(auth.Body)
	if !hmac.Equal(m.Sum(nil), auth.Signature) {
		return refused(connect.Forbidden, "Internal request contained invalid signature.")
	}
	return nil
}

// signed are the headers for a request to another worker; none while the group does not sign.
func (h *Herder) signed(ctx context.Context, body []byte) (map[string]string, error) {
	var headers map[string]string
	err := h.tell(ctx, func() {
		if key := h.state.key; h.place.version >= 2 && key != nil {
			headers = map[string]string{
				signatureHeader: base64.StdEncoding.EncodeToString(sign(key.key, h.group.SignatureAlgorithm, body)),
				algorithmHeader: h.group.SignatureAlgorithm,
			}
		}
	})
	return headers, err
}
