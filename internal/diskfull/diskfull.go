// Package diskfull tells a file that has no room from one that cannot be written for another reason.
//
// In: errors of the os package. Out: errors of type Error, which name the deed and are retriable, as room comes back; other errors are
// wrapped and stay what they are. No I/O, no goroutines.
package diskfull

import (
	"errors"
	"fmt"
	"syscall"
)

// Error is a write that found no room.
type Error struct {
	Op  string // what was tried, with its operand
	Err error
}

func (e *Error) Error() string {
	return e.Op + ": " + e.Err.Error() + "; it goes on when there is room"
}

// Unwrap returns the error of the system, which names the file.
func (e *Error) Unwrap() error { return e.Err }

// Retriable is true: room comes back.
func (e *Error) Retriable() bool { return true }

// Is tells that an error says that there is no room: on the device, in the user's quota, or below the limit of a file's size.
func Is(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}

// Wrap says what was tried; nil stays nil.
func Wrap(err error, format string, args ...any) error {
	switch {
	case err == nil:
		return nil
	case Is(err):
		return &Error{Op: fmt.Sprintf(format, args...), Err: err}
	}
	return fmt.Errorf(format+": %w", append(args, err)...)
}
