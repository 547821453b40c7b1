package registry

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/riferrei/srclient"

	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/internal/oauth"
)

// Config says where the registry is and how to reach it.
type Config struct {
	URLs      []string      // tried in order from the one that answered last; may carry user:password@
	User      string        // of basic authentication; wins over the one in a URL
	Password  config.Secret //
	Token     config.Secret // of bearer authentication
	Tokens    *oauth.Source // of bearer authentication, in place of Token; nil: there is none
	Normalize bool          // normalize.schemas: ask the registry to compare and store the normal form
	Headers   http.Header   // sent with every request
	Timeout   time.Duration // of one attempt at one address; 0: DefaultTimeout

	// Transport makes the connections. Without one they are made with the next three.
	Transport      http.RoundTripper
	TLS            *tls.Config   // nil: the system's certificates
	ConnectTimeout time.Duration // 0: as long as Timeout
	Proxy          *url.URL      // nil: what the environment says
}

// DefaultTimeout is http.read.timeout.ms of Confluent's client.
const DefaultTimeout = 60 * time.Second

// Client asks one registry. Ids and schemas never change, so each is asked for once.
type Client struct {
	config    Config
	bases     []*url.URL
	transport http.RoundTripper
	own       *http.Transport // to be closed; nil when the caller's transport is used
	current   atomic.Int32    // index in bases of the one that answered last

	mu    sync.Mutex
	ids   map[subjectSchema]int // a schema is kilobytes: not the texts are kept
	texts map[int]string
}

// subjectSchema is the digest of a schema under a subject.
type subjectSchema [sha256.Size]byte

func digestOf(subject, text string) subjectSchema {
	return sha256.Sum256([]byte(subject + "\x00" + text)) // a subject in a URL holds no NUL
}

// maxCached bounds each cache; when it is full it starts anew, which costs one request per entry that is asked for again.
const maxCached = 10_000

// Version is a registered schema.
type Version struct {
	ID      int
	Version int
	Schema  string
}

// New checks a Config; it does not connect.
func New(c Config) (*Client, error) {
	if len(c.URLs) == 0 {
		return nil, errors.New("schema registry: no URL is given; set schema.registry.url")
	}
	if c.Timeout <= 0 {
		c.Timeout = DefaultTimeout
	}
	r := &Client{config: c, ids: make(map[subjectSchema]int), texts: make(map[int]string)}
	for _, text := range c.URLs {
		u, err := url.Parse(strings.TrimRight(strings.TrimSpace(text), "/"))
		if err != nil {
			var bad *url.Error
			if errors.As(err, &bad) { // its text holds the URL, which may hold a password
				err = bad.Err
			}
			return nil, fmt.Errorf("schema registry: a URL of schema.registry.url is not valid: %w", err)
		}
		if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return nil, fmt.Errorf("schema registry: URL %q of schema.registry.url must begin with http:// or https:// and name a host", u.Redacted())
		}
		r.bases = append(r.bases, u)
	}
	r.transport = c.Transport
	if r.transport == nil {
		r.own = newTransport(r.config)
		r.transport = r.own
	}
	return r, nil
}

// Close ends the connections that are kept open. The Client may be used again.
func (c *Client) Close() {
	if c.own != nil {
		c.own.CloseIdleConnections()
	}
}

// Register returns the id of a schema under a subject, which it makes a version of when it is new. The text is an Avro schema.
func (c *Client) Register(ctx context.Context, subject, text string) (int, error) {
	return c.idOf(ctx, &attempt{subject: subject, text: text, verb: "register"}, func(s *srclient.SchemaRegistryClient) (*srclient.Schema, error) {
		return s.CreateSchema(subject, text, srclient.Avro)
	})
}

// Lookup returns the id of a schema that is registered under a subject; *NotFoundError when it is not.
func (c *Client) Lookup(ctx context.Context, subject, text string) (int, error) {
	return c.idOf(ctx, &attempt{subject: subject, text: text, verb: "look up"}, func(s *srclient.SchemaRegistryClient) (*srclient.Schema, error) {
		return s.LookupSchema(subject, text, srclient.Avro)
	})
}

func (c *Client) idOf(ctx context.Context, a *attempt, call func(*srclient.SchemaRegistryClient) (*srclient.Schema, error)) (int, error) {
	key := digestOf(a.subject, a.text)
	c.mu.Lock()
	id, ok := c.ids[key]
	c.mu.Unlock()
	if ok {
		return id, nil
	}
	found, err := call(c.srclient(ctx, a))
	if err != nil {
		return 0, c.failure(ctx, a, err)
	}
	if found.ID() == 0 {
		return 0, fmt.Errorf("%s schema of subject %q: the registry answered without an id", a.verb, a.subject)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.ids) >= maxCached {
		clear(c.ids)
	}
	c.ids[key] = found.ID()
	return found.ID(), nil
}

// Schema returns the text of a schema by its id; *NotFoundError when there is none.
func (c *Client) Schema(ctx context.Context, id int) (string, error) {
	c.mu.Lock()
	text, ok := c.texts[id]
	c.mu.Unlock()
	if ok {
		return text, nil
	}
	a := &attempt{id: id, verb: "get"}
	found, err := c.srclient(ctx, a).GetSchema(id)
	if err != nil {
		return "", c.failure(ctx, a, err)
	}
	if err := usable(found, fmt.Sprintf("schema id %d", id)); err != nil {
		return "", err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.texts) >= maxCached {
		clear(c.texts)
	}
	c.texts[id] = found.Schema()
	return found.Schema(), nil
}

// Latest returns the newest version of a subject. It is asked for each time.
func (c *Client) Latest(ctx context.Context, subject string) (Version, error) {
	a := &attempt{subject: subject, verb: "get latest"}
	found, err := c.srclient(ctx, a).GetLatestSchema(subject)
	if err != nil {
		return Version{}, c.failure(ctx, a, err)
	}
	if err := usable(found, fmt.Sprintf("subject %q", subject)); err != nil {
		return Version{}, err
	}
	return Version{ID: found.ID(), Version: found.Version(), Schema: found.Schema()}, nil
}

// usable refuses what is no Avro schema that stands for itself.
func usable(s *srclient.Schema, what string) error {
	if t := s.SchemaType(); t != nil && *t != "" && *t != srclient.Avro {
		return fmt.Errorf("%s is a %s schema; only AVRO is supported", what, *t)
	}
	if len(s.References()) > 0 {
		return fmt.Errorf("%s refers to other subjects (%s, …); register the schema with its parts written out", what, s.References()[0].Subject)
	}
	return nil
}

// srclient makes a client for one call, so that the call's context reaches its requests.
func (c *Client) srclient(ctx context.Context, a *attempt) *srclient.SchemaRegistryClient {
	a.client, a.ctx = c, ctx
	s := srclient.NewSchemaRegistryClient("http://registry", srclient.WithClient(&http.Client{Transport: a}))
	s.CachingEnabled(false)
	return s
}

// failure gives an error its words. Errors of our own types come wrapped by http.Client, whose text would show an address that
// does not exist.
func (c *Client) failure(ctx context.Context, a *attempt, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", a.what(), context.Cause(ctx))
	}
	var typed interface{ Retriable() bool }
	if errors.As(err, &typed) {
		if own, ok := typed.(error); ok {
			err = own
		}
	}
	return fmt.Errorf("%s: %w", a.what(), err)
}
