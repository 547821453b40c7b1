package registry

import "fmt"

// IncompatibleError says that the registry refused a schema because earlier versions of its subject forbid it (409). Never retriable.
type IncompatibleError struct {
	Subject string
	Message string // the registry's
}

func (e *IncompatibleError) Error() string {
	return fmt.Sprintf("the schema registry refuses the new schema of subject %q as incompatible with an earlier version: %s; "+
		"undo the change of the table, make it compatible (a new column nullable or with a default), or relax the subject's level: PUT /config/%s {\"compatibility\": \"NONE\"}",
		e.Subject, e.Message, e.Subject)
}

// Retriable is false: the registry will say the same again.
func (e *IncompatibleError) Retriable() bool { return false }

// UnavailableError says that no address of the registry gave an answer that counts: it could not be reached, or failed itself (5xx, 429).
type UnavailableError struct {
	URL string // the last one tried, without its password
	Err error
	// Permanent is set for failures that time does not heal, such as a certificate that is not trusted.
	Permanent bool
	Remedy    string // for those
}

func (e *UnavailableError) Error() string {
	if e.Remedy != "" {
		return fmt.Sprintf("schema registry at %s: %v; %s", e.URL, e.Err, e.Remedy)
	}
	return fmt.Sprintf("schema registry at %s: %v", e.URL, e.Err)
}

func (e *UnavailableError) Unwrap() error { return e.Err }

// Retriable tells whether to try again later.
func (e *UnavailableError) Retriable() bool { return !e.Permanent }

// AuthError says that the registry does not know the user, or does not let it (401, 403). Never retriable.
type AuthError struct {
	URL     string
	Status  int
	Message string // the registry's, may be empty
}

func (e *AuthError) Error() string {
	if e.Status == 401 {
		return fmt.Sprintf("schema registry at %s does not accept the credentials (401 %s); check basic.auth.credentials.source, basic.auth.user.info or the user in schema.registry.url, and bearer.auth.*", e.URL, e.Message)
	}
	return fmt.Sprintf("schema registry at %s does not permit it (%d %s); give the user the right on the subject", e.URL, e.Status, e.Message)
}

// Retriable is false.
func (e *AuthError) Retriable() bool { return false }

// NotFoundError says that the subject, version or id does not exist (404). Never retriable.
type NotFoundError struct {
	Code    int    // the registry's: 40401 subject, 40402 version, 40403 schema
	Message string // the registry's
}

func (e *NotFoundError) Error() string {
	return fmt.Sprintf("not in the schema registry: %s", e.Message)
}

// Retriable is false.
func (e *NotFoundError) Retriable() bool { return false }

// RejectedError is any other refusal (4xx), such as 422 for a schema that is not valid. Never retriable.
type RejectedError struct {
	Status  int
	Code    int    // the registry's
	Message string // the registry's
}

func (e *RejectedError) Error() string {
	return fmt.Sprintf("the schema registry answers %d: %s (code %d)", e.Status, e.Message, e.Code)
}

// Retriable is false.
func (e *RejectedError) Retriable() bool { return false }
