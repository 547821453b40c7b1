package client

import (
	"crypto/tls"

	"github.com/tandem-cdc/tandem/internal/config"
)

// ParseTLS reads the options ssl.* of a Kafka client for another use of TLS. The result is for clients; a server takes its Certificates, and its
// RootCAs to prove clients by.
func ParseTLS(props map[string]string) (*tls.Config, config.Report) {
	s := DefaultConfig(ForAdmin).Security
	s.Protocol = SSL
	r := s.keys().Parse(props)
	if len(r.Errors) > 0 {
		return nil, r
	}
	s.check(&r)
	c, err := s.tlsConfig()
	if err != nil { // check said so
		return nil, r
	}
	return c, r
}
