// Package registry speaks to a schema registry: Confluent's, and those that answer as it does (Apicurio's /apis/ccompat/v7, Karapace).
//
// In: subjects, schema texts and ids. Out: ids and schema texts, cached; errors of a type per cause, with the subject and the
// registry's own message. Every call takes a context and ends with it, and no attempt lasts longer than Config.Timeout. Of several
// addresses the next one is tried when one does not answer.
//
// It is the only room that imports srclient, whose methods know neither contexts, nor several addresses, nor normalize: a
// http.RoundTripper of ours stands behind it and adds them. No goroutines of its own; connections that are kept open for reuse end after
// five idle seconds, or with Close. A Client may be used by several goroutines.
package registry
