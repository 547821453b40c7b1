// Package keystore reads private keys and certificates out of what users keep them in: PEM, Java's JKS, PKCS #12 and, for single keys, DER.
//
// In: the bytes of a store and its passwords. Out: certificates with their private keys, and certificates to trust. No I/O, no goroutines.
// A store is told by its first bytes, as Java has done since version 9: the type that an option names may say JKS of a PKCS #12 file.
package keystore
