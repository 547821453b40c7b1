package transform

import "fmt"

// Java classes of what fails.
const (
	dataException     = "org.apache.kafka.connect.errors.DataException"
	connectException  = "org.apache.kafka.connect.errors.ConnectException"
	schemaException   = "org.apache.kafka.connect.errors.SchemaBuilderException"
	illegalArgument   = "java.lang.IllegalArgumentException"
	indexOutOfBounds  = "java.lang.IndexOutOfBoundsException"
	nullPointer       = "java.lang.NullPointerException"
	classCast         = "java.lang.ClassCastException"
	numberFormat      = "java.lang.NumberFormatException"
	unparseableDate   = "java.text.ParseException"
	patternNotAllowed = "Illegal pattern character '%c'"
)

// Failure says why a record cannot be transformed, as Kafka Connect's own transform says it. Never retriable: the same record comes back.
type Failure struct {
	Class   string // of the exception in Java
	Message string
	Cause   *Failure // nil: none
}

func (f *Failure) Error() string { return f.Message }

// Unwrap gives the cause.
func (f *Failure) Unwrap() error {
	if f.Cause == nil {
		return nil
	}
	return f.Cause
}

// Exception is the class and the message of the exception in Java.
func (f *Failure) Exception() (class, message string) { return f.Class, f.Message }

// Retriable is false.
func (f *Failure) Retriable() bool { return false }

// fail makes a Failure of a class.
func fail(class, format string, args ...any) *Failure {
	return &Failure{Class: class, Message: fmt.Sprintf(format, args...)}
}

// badData makes the Failure of a record that does not suit the transform.
func badData(format string, args ...any) *Failure { return fail(dataException, format, args...) }
