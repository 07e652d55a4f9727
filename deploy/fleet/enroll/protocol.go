// Package enroll brings hosts into a fleet: the host with the authority answers, over TLS,
// new hosts that have a token, and hosts that renew their certificate by the present one.
package enroll

import (
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// Port is where the authority answers, unless another one is said.
const Port = "9158"

// What is asked for.
const (
	joinPath  = "/v1/join"
	renewPath = "/v1/renew"
)

// Bounds of what one end takes from the other.
const (
	mostAsked    = 16 << 10 // bytes of a request
	mostAnswered = 64 << 10 // bytes of an answer
	mostWords    = 512      // bytes of a refusal that are shown
	askTime      = 10 * time.Second
	wholeTime    = 30 * time.Second // of all that a host asks for
)

// joining is what a new host sends.
type joining struct {
	Secret  string `json:"secret"`  // of its token
	Request []byte `json:"request"` // PKCS #10, in DER form: its name, and its key
}

// admitted is what a host gets.
type admitted struct {
	Authority   []byte   `json:"authority"` // DER
	Certificate []byte   `json:"certificate"`
	Fleet       string   `json:"fleet,omitempty"`     // name
	Endpoints   []string `json:"endpoints,omitempty"` // of etcd
}

// certificates reads those of an answer.
func (a admitted) certificates() (authority, own *x509.Certificate, err error) {
	if authority, err = x509.ParseCertificate(a.Authority); err != nil {
		return nil, nil, fmt.Errorf("the authority's certificate: %w", err)
	}
	if own, err = x509.ParseCertificate(a.Certificate); err != nil {
		return nil, nil, fmt.Errorf("this host's certificate: %w", err)
	}
	return authority, own, nil
}

// ErrRefused: the host with the authority has answered, and said no.
var ErrRefused = errors.New("refused")
