// Package minioserver runs private MinIO servers, for the integration tests of what writes into S3.
//
// In: a context. Out: a running server on a loopback port of its own, with its data in a temporary folder, and the keys to it. The server is a process of its own,
// whose program is never linked in: it is looked for as minio on the PATH and among Go's installed programs (GOBIN, GOPATH/bin), and else built once, at the pinned
// version, into the user's cache folder by the go command, which takes minutes.
//
// A Server owns its process, the watchdog beside it (see childserver) and its folder. It has no goroutines.
package minioserver
