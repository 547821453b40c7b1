package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/IBM/sarama"
)

// beat sends heartbeats while there is a place to hold, a pending join included.
func (m *GroupMember) beat(ctx context.Context, h GroupHandler) error {
	conn := newGroupConn(m.cfg, max(m.group.Session/4, time.Millisecond))
	defer conn.close()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for attempt := 0; ; {
		m.mu.Lock()
		id, generation := m.id, m.generation
		m.mu.Unlock()
		if generation < 0 {
			select {
			case <-ctx.Done():
				return nil
			case <-m.alive:
			}
			continue
		}
		sent := time.Now()
		err := m.ask(ctx, conn, func(b *sarama.Broker) (sarama.KError, error) {
			res, err := b.Heartbeat(&sarama.HeartbeatRequest{Version: 3, GroupId: m.group.Group, GenerationId: generation, MemberId: id})
			if err != nil {
				return 0, err
			}
			return res.Err, nil
		})
		wait := m.group.Heartbeat
		if m.beaten(h, sent, generation, err) {
			attempt = 0
		} else {
			wait = min(wait, m.cfg.backoff(attempt))
			attempt++
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
	}
}

// beaten settles a heartbeat that was sent at a time for a generation; false wants another soon.
func (m *GroupMember) beaten(h GroupHandler, sent time.Time, generation int32, err error) bool {
	m.mu.Lock()
	same, joining := m.generation == generation, m.joining
	switch {
	case err == nil:
		if same {
			m.acknowledged(sent, true)
		}
		m.mu.Unlock()
		return true
	case errors.Is(err, sarama.ErrRebalanceInProgress):
		if same {
			m.acknowledged(sent, false)
		}
		m.mu.Unlock()
		if same && !joining {
			wake(m.rejoin)
		}
		return true
	case errors.Is(err, sarama.ErrUnknownMemberId):
		m.mu.Unlock()
		if same {
			m.lose(h, err, true)
		}
		return true
	case errors.Is(err, sarama.ErrIllegalGeneration):
		// While a join is pending its answer with the next generation is on its way, and the coordinator still knows the member.
		m.mu.Unlock()
		if same && !joining {
			m.lose(h, err, false)
		}
		return true
	}
	m.mu.Unlock()
	m.cfg.logger().Debug("a heartbeat was not acknowledged", "group", m.group.Group, "error", err)
	return false
}

// acknowledged notes that the coordinator has heard of the member after sent. Under mu.
func (m *GroupMember) acknowledged(sent time.Time, stable bool) {
	if m.ack.Before(sent) {
		m.ack = sent
	}
	if stable && m.stable.Before(sent) {
		m.stable = sent
	}
}

// expiry is when the coordinator may strike the member off: for silence, or for a round that it has not joined. Under mu.
func (m *GroupMember) expiry() time.Time {
	silence, round := m.ack.Add(m.group.Session), m.stable.Add(m.group.Rebalance)
	if round.Before(silence) {
		return round
	}
	return silence
}

// watch calls Lost in time.
func (m *GroupMember) watch(ctx context.Context, h GroupHandler) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		m.mu.Lock()
		held, due := m.held, m.expiry().Add(-m.group.Margin)
		last := m.ack
		m.mu.Unlock()
		if held {
			if wait := time.Until(due); wait > 0 {
				timer.Reset(wait)
			} else {
				m.lose(h, fmt.Errorf("no heartbeat was acknowledged since %s ago", time.Since(last).Round(time.Millisecond)), false)
				continue
			}
		} else {
			timer.Stop()
		}
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-m.taken:
		}
	}
}

// lose ends the tenure. gone says that the coordinator does not know the member any more.
func (m *GroupMember) lose(h GroupHandler, cause error, gone bool) {
	m.mu.Lock()
	held, until, cancel := m.held, m.expiry(), m.cancel
	if gone {
		m.id, until = "", time.Now()
	}
	m.until = until
	m.forget()
	m.coordinator = ""
	if !held {
		m.mu.Unlock()
		wake(m.rejoin)
		return
	}
	done := make(chan struct{})
	m.losing = done
	m.mu.Unlock()
	cause = fmt.Errorf("%w: %w", ErrMembershipLost, plainText(cause))
	cancel(cause)
	m.joinConn.hangUp() // a pending join is not waited for
	h.Lost(cause, until)
	m.mu.Lock()
	m.losing = nil
	m.mu.Unlock()
	close(done)
	wake(m.rejoin)
}
