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
	joinPath   = "/v1/join"
	renewPath  = "/v1/renew"
	memberPath = "/v1/member"
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

// Membership is what a host asks that is to be a member of the fleet's etcd.
type Membership struct {
	Peer  string `json:"peer"`  // URL at which the other members reach it
	Fresh bool   `json:"fresh"` // it has no data: what it had is lost, or it is new
}

// Member is what it is told.
type Member struct {
	Cluster   string   `json:"cluster"`   // all members, as etcd's initial-cluster
	Learner   bool     `json:"learner"`   // it has no vote yet: it asks again until it has
	Endpoints []string `json:"endpoints"` // where the members answer clients
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
