package replication

import (
	"errors"
	"fmt"
)

// What a caller branches on. The errors that carry them name the object and the remedy.
var (
	// ErrSlotLost: the server removed WAL the slot still needed. Only a new snapshot helps.
	ErrSlotLost = errors.New("replication slot lost required WAL")
	// ErrSlotMissing: there is no slot of that name.
	ErrSlotMissing = errors.New("replication slot does not exist")
	// ErrSlotBusy: another connection streams from the slot.
	ErrSlotBusy = errors.New("replication slot is in use")
	// ErrSlotForeign: the name belongs to a slot of another plugin, database or kind.
	ErrSlotForeign = errors.New("replication slot cannot be used by this connector")
	// ErrNoSlotFree: the server has no room for one more slot, or cannot make one.
	ErrNoSlotFree = errors.New("no replication slot can be created")
	// ErrPublicationMissing: there is no publication of that name, and none may be made.
	ErrPublicationMissing = errors.New("publication does not exist")
)

// SlotError is what is wrong with a slot and what to do about it.
type SlotError struct {
	Slot      string
	PID       uint32 // backend that holds a busy slot, 0 when unknown
	Err       error  // one of the sentinels
	Detail    string // remedy included
	retriable bool
}

func (e *SlotError) Error() string { return fmt.Sprintf("slot %q: %v: %s", e.Slot, e.Err, e.Detail) }

// Unwrap returns the sentinel.
func (e *SlotError) Unwrap() error { return e.Err }

// Retriable is true for a busy slot alone: whoever holds it may let go.
func (e *SlotError) Retriable() bool { return e.retriable }

func slotBusy(name string, pid uint32) error {
	holder := "another connection holds it"
	if pid != 0 {
		holder = fmt.Sprintf("the backend with PID %d holds it", pid)
	}
	return &SlotError{Slot: name, PID: pid, Err: ErrSlotBusy, retriable: true,
		Detail: fmt.Sprintf("%s; give each connector a slot.name of its own, or end that backend: SELECT pg_terminate_backend(%d). A backend whose client is gone ends by itself after wal_sender_timeout", holder, pid)}
}

func slotLost(name, why string) error {
	return &SlotError{Slot: name, Err: ErrSlotLost,
		Detail: fmt.Sprintf("%s. Changes since then are not on the server any more: drop the slot (SELECT pg_drop_replication_slot(%s)) and take a new snapshot (snapshot.mode=when_needed does both, or delete the connector's offset); then raise max_slot_wal_keep_size", why, quoteLiteral(name))}
}

func slotMissing(name string) error {
	return &SlotError{Slot: name, Err: ErrSlotMissing,
		Detail: "it was never created, was dropped, or did not follow a failover; changes since the stored offset cannot be read without it. Check slot.name, or take a new snapshot (snapshot.mode=when_needed, or delete the connector's offset)"}
}

// PublicationError is what is wrong with a publication and what to do about it. Never retriable.
type PublicationError struct {
	Publication string
	Err         error
}

func (e *PublicationError) Error() string {
	return fmt.Sprintf("publication %q: %v", e.Publication, e.Err)
}

// Unwrap returns what is wrong.
func (e *PublicationError) Unwrap() error { return e.Err }

// Retriable is false.
func (e *PublicationError) Retriable() bool { return false }

// ServerError is a server that cannot be captured from as it is set up. Never retriable.
type ServerError struct {
	Address string
	Problem string // remedy included
}

func (e *ServerError) Error() string { return fmt.Sprintf("server %s: %s", e.Address, e.Problem) }

// Retriable is false.
func (e *ServerError) Retriable() bool { return false }
