package client

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

// groupConn is a connection to a group's coordinator for requests that follow one another.
type groupConn struct {
	cfg  Config
	wait time.Duration // for a response

	mu     sync.Mutex // guards what follows; not held during a request
	dial   *dialer
	broker *sarama.Broker
	addr   string
}

func newGroupConn(c Config, wait time.Duration) *groupConn { return &groupConn{cfg: c, wait: wait} }

// to opens the connection unless it is open. When ctx ends before stop is called, the connection ends.
func (c *groupConn) to(ctx context.Context, addr string) (b *sarama.Broker, stop func() bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.broker != nil && c.addr == addr {
		return c.broker, c.dial.use(ctx), nil
	}
	c.drop()
	dial := newDialer(ctx, c.cfg.DialTimeout)
	s, err := saramaConfig(dial, c.cfg)
	if err != nil {
		return nil, nil, err
	}
	s.Net.ReadTimeout = c.wait
	b = sarama.NewBroker(addr)
	if err := b.Open(s); err != nil {
		return nil, nil, fmt.Errorf("connect to the coordinator %s: %w", addr, err)
	}
	c.dial, c.broker, c.addr = dial, b, addr
	return b, dial.use(ctx), nil
}

// drop closes the connection. Under mu.
func (c *groupConn) drop() {
	if c.broker != nil {
		c.dial.hangUp()
		_ = c.broker.Close()
		c.broker = nil
	}
}

func (c *groupConn) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drop()
}

// hangUp ends a request that waits; the next opens another connection.
func (c *groupConn) hangUp() {
	c.mu.Lock()
	dial := c.dial
	c.mu.Unlock()
	if dial != nil {
		dial.hangUp()
	}
}

// ask sends one request to the coordinator, which is found first. The error is a code of the coordinator's, or that it cannot be reached, and it
// will be looked up again then.
func (m *GroupMember) ask(ctx context.Context, c *groupConn, f func(*sarama.Broker) (sarama.KError, error)) error {
	addr, err := m.find(ctx)
	if err != nil {
		return err
	}
	b, stop, err := c.to(ctx, addr)
	if err != nil {
		return err
	}
	code, err := f(b)
	stop()
	if err != nil {
		c.close()
		m.astray(addr)
		return err
	}
	switch code {
	case sarama.ErrNoError:
		return nil
	case sarama.ErrNotCoordinatorForConsumer, sarama.ErrConsumerCoordinatorNotAvailable, sarama.ErrOffsetsLoadInProgress:
		m.astray(addr)
	}
	return code
}

// astray forgets a coordinator.
func (m *GroupMember) astray(addr string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.coordinator == addr {
		m.coordinator = ""
	}
}

// find is the coordinator's address.
func (m *GroupMember) find(ctx context.Context) (string, error) {
	m.mu.Lock()
	addr := m.coordinator
	m.mu.Unlock()
	if addr != "" {
		return addr, nil
	}
	err := m.side.call(ctx, fmt.Sprintf("find the coordinator of group %q", m.group.Group), func() error {
		if err := m.side.client.RefreshCoordinator(m.group.Group); err != nil {
			return err
		}
		b, err := m.side.client.Coordinator(m.group.Group)
		if err == nil {
			addr = b.Addr()
		}
		return err
	})
	if err != nil {
		return "", err
	}
	if addr == "" {
		return "", errors.New("the coordinator has no address")
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.coordinator = addr
	return addr, nil
}
