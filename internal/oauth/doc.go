// Package oauth gets access tokens by OAuth 2's client credentials (RFC 6749, section 4.4), as Kafka's clients and those of the schema registry do.
//
// In: where the token endpoint is and who we are. Out: a token, kept until four fifths of its time are over; several callers may ask at once, and
// wait for one request. No goroutines. No error shows a secret or a token.
package oauth
