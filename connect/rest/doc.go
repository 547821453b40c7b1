// Package rest serves Kafka Connect's REST API over a worker: a file per resource, paths, bodies, status codes and texts as Kafka Connect
// 4.3.1 answers them.
//
// In: HTTP requests and a connect.Worker. Out: JSON. Server.Listen binds the addresses and starts nothing; Server.Run blocks, owns the
// goroutines of the HTTP servers and returns after all have ended. Handler alone serves inside another server.
//
// Deliberately absent: TLS and authentication (a proxy's task).
package rest
