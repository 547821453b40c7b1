package elasticsearch

import (
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"
)

// server is one of connection.url.
type server struct {
	base     string // URL without a slash at the end, without a user
	user     *url.Userinfo
	failures int
	until    time.Time // not asked before, unless no other is left
}

// parseServers reads connection.url: a text without a scheme is http, and if one is https all are.
func parseServers(texts []string) ([]server, error) {
	var servers []server
	secure := false
	for _, text := range texts {
		if !strings.Contains(text, "://") {
			text = "http://" + text
		}
		u, err := url.Parse(text)
		switch {
		case err != nil:
			return nil, err
		case u.Scheme != "http" && u.Scheme != "https":
			return nil, fmt.Errorf("%s: the scheme must be http or https", u.Redacted())
		case u.Hostname() == "":
			return nil, fmt.Errorf("%s: the host is missing", u.Redacted())
		}
		secure = secure || u.Scheme == "https"
		s := server{user: u.User}
		u.User, u.RawQuery, u.Fragment, u.Path = nil, "", "", strings.TrimRight(u.Path, "/")
		s.base = u.String()
		servers = append(servers, s)
	}
	for i := range servers {
		if rest, plain := strings.CutPrefix(servers[i].base, "http://"); plain && secure {
			servers[i].base = "https://" + rest
		}
	}
	return servers, nil
}

// How long a server that failed is passed over: as long as Elasticsearch's own clients do.
const (
	shunFirst = time.Minute
	shunMost  = 30 * time.Minute
)

// pool takes turns among the servers, past those that failed lately. Safe for concurrent use.
type pool struct {
	mu      sync.Mutex // guards what follows
	servers []server
	next    int
}

// order returns the servers to be tried for one request: those that work in turn, then those that failed, the one that has waited longest first.
func (p *pool) order(now time.Time) []*server {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.servers) == 1 {
		return []*server{&p.servers[0]}
	}
	var good, bad []*server
	for i := range p.servers {
		s := &p.servers[(p.next+i)%len(p.servers)]
		if now.Before(s.until) {
			at := len(bad)
			for at > 0 && s.until.Before(bad[at-1].until) {
				at--
			}
			bad = append(bad[:at], append([]*server{s}, bad[at:]...)...)
		} else {
			good = append(good, s)
		}
	}
	p.next = (p.next + 1) % len(p.servers)
	return append(good, bad...)
}

// answered forgets the failures of a server.
func (p *pool) answered(s *server) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s.failures, s.until = 0, time.Time{}
}

// failed keeps requests from a server for a while, the longer the more often it failed.
func (p *pool) failed(s *server, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s.until = now.Add(min(shunFirst<<min(s.failures, 5), shunMost))
	s.failures++
}
