package connect

import (
	"errors"
	"fmt"
	"strings"

	"github.com/tandem-cdc/tandem/internal/config"
)

// Refusal says why a request was refused; the REST API makes a status code of it.
type Refusal uint8

// Refusals.
const (
	Invalid     Refusal = iota // what was asked for is wrong
	NotFound                   // whom it concerns does not exist
	Conflict                   // it does not fit the present state
	Internal                   // it failed underway
	Forbidden                  // it is not allowed
	Unavailable                // what is needed for it is not there yet
)

// RefusedError is a request that was not carried out, in Kafka Connect's words.
type RefusedError struct {
	Why     Refusal
	Message string
}

func (e *RefusedError) Error() string   { return e.Message }
func (e *RefusedError) Retriable() bool { return false }

// complaint is an error in Kafka Connect's own words, which begin with a capital and may be several sentences.
func complaint(format string, args ...any) error { return fmt.Errorf(format, args...) }

// refuse is the error for a configuration that a report finds errors in, nil when there are none.
func refuse(r config.Report) error {
	if len(r.Errors) == 0 {
		return nil
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Connector configuration is invalid and contains the following %d error(s):", len(r.Errors))
	for _, p := range r.Errors {
		b.WriteByte('\n')
		b.WriteString(p.Message)
	}
	b.WriteString("\nYou can also find the above list of errors at the endpoint `/connector-plugins/{connectorType}/config/validate`")
	return &RefusedError{Invalid, b.String()}
}

// retriable tells whether trying again may help: the first error in the chain that has an opinion decides.
func retriable(err error) bool {
	var r interface{ Retriable() bool }
	return errors.As(err, &r) && r.Retriable()
}

// trace is the text of a failed state. Clients show its first line, which in Kafka Connect names a Java class.
func trace(err error) string {
	var tolerance *toleranceError
	if errors.As(err, &tolerance) {
		return "org.apache.kafka.connect.errors.ConnectException: Tolerance exceeded in error handler\nCaused by: " + tolerance.Err.Error()
	}
	var known interface {
		Exception() (class, message string)
	}
	if !errors.As(err, &known) {
		return "org.apache.kafka.connect.errors.ConnectException: " + err.Error()
	}
	class, message := known.Exception()
	if full := err.Error(); full != message {
		message += "\nCaused by: " + full
	}
	return class + ": " + message
}

// configError is a configuration that validation lets pass and a start fails of.
type configError struct{ RefusedError }

// Unwrap makes it the refusal that it is.
func (e *configError) Unwrap() error { return &e.RefusedError }

// Exception is Kafka's name for such an error.
func (e *configError) Exception() (class, message string) {
	return "org.apache.kafka.common.config.ConfigException", e.Message
}

// toleranceError ends a task for a record that could not be converted while errors.tolerance is none.
type toleranceError struct{ Err error }

func (e *toleranceError) Error() string {
	return "tolerance exceeded in error handler (errors.tolerance=none): " + e.Err.Error()
}
func (e *toleranceError) Unwrap() error { return e.Err }

// Retriable is false: the same record comes back.
func (e *toleranceError) Retriable() bool { return false }
