// Package rest serves Kafka Connect's REST API over a herder: a file per resource, paths, bodies, status codes and texts as Kafka Connect
// 4.3.1 answers them.
//
// In: HTTP requests and a connect.Herder. Out: JSON. Server.Listen binds the addresses and starts nothing; Server.Run blocks, owns the
// goroutines of the HTTP servers and returns after all have ended. Handler alone serves inside another server, without users and passwords.
//
// A request that another worker must answer is sent on as it came (forward.go). Listeners speak http and https; names and passwords of users are
// those of BasicAuthSecurityRestExtension (basicauth.go).
package rest
