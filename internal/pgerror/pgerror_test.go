package pgerror_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tandem-cdc/tandem/internal/pgerror"
)

type told bool

func (told) Error() string     { return "told" }
func (t told) Retriable() bool { return bool(t) }

func TestRetriable(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want bool
	}{
		{nil, false},
		{errors.New("anything"), false},
		{context.Canceled, false},
		{context.DeadlineExceeded, true},
		{io.EOF, true},
		{io.ErrUnexpectedEOF, true},
		{net.ErrClosed, true},
		{os.NewSyscallError("read", syscall.ECONNRESET), true},
		{&net.DNSError{Err: "no such host", Name: "h", IsNotFound: true}, true},
		{x509.UnknownAuthorityError{}, false},
		{&pgconn.PgError{Code: "57P01"}, true},
		{&pgconn.PgError{Code: "57P03"}, true},
		{&pgconn.PgError{Code: "53300"}, true},
		{&pgconn.PgError{Code: "08006"}, true},
		{&pgconn.PgError{Code: "58030"}, true},
		{&pgconn.PgError{Code: "58P01"}, false},
		{&pgconn.PgError{Code: "40001"}, true},
		{&pgconn.PgError{Code: "28P01"}, false},
		{&pgconn.PgError{Code: "42P01"}, false},
		{&pgconn.PgError{Code: "X"}, false},
		{told(true), true},
		{told(false), false},
		{fmt.Errorf("wrapped: %w", told(true)), true},
	} {
		if got := pgerror.Retriable(tt.err); got != tt.want {
			t.Errorf("Retriable(%v) = %t, want %t", tt.err, got, tt.want)
		}
		var r interface{ Retriable() bool }
		if wrapped := pgerror.Wrap(tt.err, "do %s", "it"); tt.err != nil && (!errors.As(wrapped, &r) || r.Retriable() != tt.want || !errors.Is(wrapped, tt.err)) {
			t.Errorf("Wrap(%v) = %v, want Retriable() = %t", tt.err, wrapped, tt.want)
		}
		if classified := pgerror.Classify(tt.err); tt.err != nil && (!errors.As(classified, &r) || r.Retriable() != tt.want) {
			t.Errorf("Classify(%v) = %v, want Retriable() = %t", tt.err, classified, tt.want)
		}
	}
	if pgerror.Wrap(nil, "x") != nil || pgerror.Classify(nil) != nil {
		t.Error("Wrap(nil) and Classify(nil) want nil")
	}
}

func TestRemedy(t *testing.T) {
	err := pgerror.Wrap(&pgconn.PgError{Severity: "FATAL", Code: "28P01", Message: "no"}, "connect to %q", "db")
	for _, want := range []string{`connect to "db": `, "28P01", "database.password"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("Wrap(28P01) = %q, want %q in it", err, want)
		}
	}
	if got := pgerror.Code(err); got != "28P01" {
		t.Errorf("Code = %q, want 28P01", got)
	}
}
