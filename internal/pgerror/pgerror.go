// Package pgerror says what an error of a PostgreSQL connection means: whether to try again, and what the user can do.
//
// In: errors of pgx and pgconn. Out: errors of type Error, which answer Retriable and add a remedy where the SQLSTATE tells one.
// No I/O, no goroutines. Nothing here looks at the text of an error: servers translate theirs.
package pgerror

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// Error is a failure of a statement or a connection together with what it means.
type Error struct {
	Op     string // what was tried, with its operand; "" when the caller says it
	Remedy string // what the user can do; "" when the server's text says enough
	Err    error
}

func (e *Error) Error() string {
	var b strings.Builder
	if e.Op != "" {
		b.WriteString(e.Op)
		b.WriteString(": ")
	}
	b.WriteString(e.Err.Error())
	if e.Remedy != "" {
		b.WriteString("; ")
		b.WriteString(e.Remedy)
	}
	return b.String()
}

// Unwrap returns the driver's error.
func (e *Error) Unwrap() error { return e.Err }

// Retriable tells whether the same may succeed later without anybody doing anything.
func (e *Error) Retriable() bool { return Retriable(e.Err) }

// Wrap says what was tried; nil stays nil. An error that says itself whether it is retriable keeps its word.
func Wrap(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return &Error{Op: fmt.Sprintf(format, args...), Remedy: remedies[Code(err)], Err: err}
}

// Classify makes an error of a connection answer Retriable; nil stays nil, and what answers already is returned as it is.
func Classify(err error) error {
	var told interface{ Retriable() bool }
	if err == nil || errors.As(err, &told) {
		return err
	}
	return &Error{Err: err}
}

// Code is the SQLSTATE of a server's error, "" when it is none.
func Code(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code
	}
	return ""
}

// Retriable tells whether waiting may help: the network, a server that starts, stops or is full, a lost race.
func Retriable(err error) bool {
	var told interface{ Retriable() bool }
	switch {
	case err == nil, errors.Is(err, context.Canceled):
		return false
	case errors.As(err, &told):
		return told.Retriable()
	}
	if code := Code(err); code != "" {
		return retriableCode(code)
	}
	var (
		authority x509.UnknownAuthorityError
		hostname  x509.HostnameError
		invalid   x509.CertificateInvalidError
		verify    *tls.CertificateVerificationError
		alert     tls.AlertError
		parse     *pgconn.ParseConfigError
	)
	if errors.As(err, &authority) || errors.As(err, &hostname) || errors.As(err, &invalid) || errors.As(err, &verify) || errors.As(err, &alert) || errors.As(err, &parse) {
		return false // a certificate or an option, not the weather
	}
	var network net.Error
	var connect *pgconn.ConnectError
	return errors.As(err, &network) || errors.As(err, &connect) || errors.Is(err, net.ErrClosed) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrClosedPipe) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, pgconn.ErrConnClosed) || errors.Is(err, context.DeadlineExceeded)
}

// retriableCode classes SQLSTATEs. PostgreSQL manual, appendix "PostgreSQL Error Codes".
func retriableCode(code string) bool {
	switch code {
	case "57P01", // admin_shutdown
		"57P02", // crash_shutdown
		"57P03", // cannot_connect_now
		"57P05", // idle_session_timeout
		"57014", // query_canceled: a statement timeout among others
		"55006", // object_in_use
		"55P03", // lock_not_available
		"25P03", // idle_in_transaction_session_timeout
		"25P04", // transaction_timeout
		"40001", // serialization_failure
		"40P01": // deadlock_detected
		return true
	}
	if len(code) < 2 {
		return false
	}
	switch code[:2] {
	case "08", // connection exception
		"53", // insufficient resources: connections, memory, disk
		"58": // system error: I/O
		return code != "58P01" // undefined_file: what is gone stays gone
	}
	return false
}

// remedies is what helps, by SQLSTATE, where that is the same whatever was tried.
var remedies = map[string]string{
	"28P01": "check database.user and database.password",
	"28000": "check database.user, and that pg_hba.conf of the server lets it in from this host, to this database, with this kind of encryption",
	"3D000": "check database.dbname, or create the database",
	"53300": "the server's max_connections is used up; it is tried again",
	"57P03": "the server is starting or stopping; it is tried again",
}
