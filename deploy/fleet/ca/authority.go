// Package ca is the certificate authority of a fleet: it gives each host the certificate by
// which etcd and the other hosts know it, and keeps the files of both.
package ca

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"
)

// How long certificates are valid.
const (
	authorityLife = 10 * 365 * 24 * time.Hour
	hostLife      = 90 * 24 * time.Hour
	rootLife      = time.Hour
	clockSkew     = time.Hour // that another host's clock may be behind
)

// hostName is what a host may be called: the name of a file, and of no more letters than
// RFC 5280 has room for in a common name (ub-common-name).
var hostName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$`)

// Names that mean something to etcd, which no host may have.
const (
	// RootName is the user who may do all in an etcd that knows users by their certificates.
	RootName = "root"
	// MemberName is in the certificates of hosts that may be members of the fleet's etcd: its
	// members talk to nobody else, for whoever may could change all that it holds.
	MemberName = "etcd.relink.internal"
)

// CheckName refuses a name that a certificate, or the file of one, cannot have.
func CheckName(name string) error {
	switch {
	case !hostName.MatchString(name):
		return fmt.Errorf("%q is no name for a host: 1 to 64 letters, digits, \".\", \"_\" and \"-\", the first a letter, a digit or \"_\"", name)
	case strings.EqualFold(name, RootName), strings.EqualFold(name, MemberName):
		return fmt.Errorf("%q is no name for a host: to etcd it means more than a host", name)
	case strings.EqualFold(name, "localhost"), isAddress(name):
		return fmt.Errorf("%q is no name for a host: whoever asks for it may mean another one", name)
	}
	return nil
}

func isAddress(name string) bool {
	_, err := netip.ParseAddr(name)
	return err == nil
}

// authorityPrefix is before the name of the fleet, in that of its authority.
const authorityPrefix = "relink fleet "

// FleetOf is the name of the fleet whose authority this is.
func FleetOf(authority *x509.Certificate) string {
	return strings.TrimPrefix(authority.Subject.CommonName, authorityPrefix)
}

// Authority signs the certificates of one fleet's hosts.
type Authority struct {
	Certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// Pin is the SHA-256 of an authority's certificate: what a new host knows it by.
type Pin [sha256.Size]byte

// PinOf is the pin of a certificate.
func PinOf(c *x509.Certificate) Pin { return sha256.Sum256(c.Raw) }

func (p Pin) String() string { return hex.EncodeToString(p[:]) }

// Is tells whether a certificate is the one that is pinned.
func (p Pin) Is(c *x509.Certificate) bool {
	other := PinOf(c)
	return subtle.ConstantTimeCompare(p[:], other[:]) == 1
}

// Host is whom a certificate is for.
type Host struct {
	Name      string
	Addresses []netip.Addr // at which it may serve
	Member    bool         // it may be a member of the fleet's etcd
}

// loopback is in each certificate: what runs on a host reaches its own etcd there.
var loopback = []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}

func newKey() (*ecdsa.PrivateKey, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }

// sign makes the certificate of an authority, which signs hosts and no other authority.
func sign(fleet string, key *ecdsa.PrivateKey, now time.Time) (*Authority, error) {
	template := &x509.Certificate{
		Subject:   pkix.Name{CommonName: authorityPrefix + fleet},
		NotBefore: now.Add(-clockSkew), NotAfter: now.Add(authorityLife),
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature, BasicConstraintsValid: true, IsCA: true, MaxPathLenZero: true,
	}
	c, err := create(template, template, key.Public(), key)
	return &Authority{c, key}, err
}

// Issue gives a host a certificate for its key, to serve and to ask with.
func (a *Authority) Issue(h Host, key crypto.PublicKey, now time.Time) (*x509.Certificate, error) {
	if err := CheckName(h.Name); err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		Subject:   pkix.Name{CommonName: h.Name},
		NotBefore: now.Add(-clockSkew), NotAfter: now.Add(hostLife),
		KeyUsage: x509.KeyUsageDigitalSignature, BasicConstraintsValid: true,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		DNSNames:    []string{h.Name},
	}
	for _, address := range unique(append(h.Addresses[:len(h.Addresses):len(h.Addresses)], loopback...)) {
		template.IPAddresses = append(template.IPAddresses, net.IP(address.AsSlice()))
	}
	if h.Member {
		template.DNSNames = append(template.DNSNames, MemberName)
	}
	return create(template, a.Certificate, key, a.key)
}

// Root is a certificate of the user who may do all in the fleet's etcd, and its key. Both are
// in no file: whoever has the authority's key can make them, and nobody else.
func (a *Authority) Root(now time.Time) (tls.Certificate, error) {
	key, err := newKey()
	if err != nil {
		return tls.Certificate{}, err
	}
	c, err := create(&x509.Certificate{
		Subject:   pkix.Name{CommonName: RootName},
		NotBefore: now.Add(-clockSkew), NotAfter: now.Add(rootLife),
		KeyUsage: x509.KeyUsageDigitalSignature, BasicConstraintsValid: true, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, a.Certificate, key.Public(), a.key)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{c.Raw}, PrivateKey: key, Leaf: c}, nil
}

func create(template, parent *x509.Certificate, public crypto.PublicKey, key *ecdsa.PrivateKey) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// HostOf is whom a certificate was issued for.
func HostOf(c *x509.Certificate) Host {
	h := Host{Name: c.Subject.CommonName, Member: slices.Contains(c.DNSNames, MemberName)}
	for _, ip := range c.IPAddresses {
		if address, ok := netip.AddrFromSlice(ip); ok && !address.Unmap().IsLoopback() {
			h.Addresses = append(h.Addresses, address.Unmap())
		}
	}
	return h
}

func unique(addresses []netip.Addr) (found []netip.Addr) {
	seen := map[netip.Addr]bool{}
	for _, address := range addresses {
		if address = address.Unmap().WithZone(""); !seen[address] {
			seen[address] = true
			found = append(found, address)
		}
	}
	return found
}
