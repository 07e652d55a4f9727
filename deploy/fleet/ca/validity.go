package ca

import (
	"crypto/ecdsa"
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

var (
	// ErrExpired: the certificate is not valid any more.
	ErrExpired = errors.New("the certificate has expired")
	// ErrOther: it is of another authority, for another host, or for another key.
	ErrOther = errors.New("not the certificate that was expected")
)

// Due tells whether a certificate is to be renewed: a third of its time is left, or less.
func Due(c *x509.Certificate, now time.Time) bool {
	return c.NotAfter.Sub(now) <= c.NotAfter.Sub(c.NotBefore)/3
}

// Verify tells whether a certificate is the authority's, valid now, and for that use. Where
// a host is given, a name or an address, it has to be for that.
func Verify(c, authority *x509.Certificate, host string, use x509.ExtKeyUsage, now time.Time) error {
	if now.After(c.NotAfter) {
		return fmt.Errorf("%w on %s", ErrExpired, c.NotAfter.Format(time.DateOnly))
	}
	roots := x509.NewCertPool()
	roots.AddCert(authority)
	_, err := c.Verify(x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool(), DNSName: host, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{use}})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrOther, err)
	}
	return nil
}

// VerifyOwn tells whether a certificate is one that a host of that name and key can use.
func VerifyOwn(c, authority *x509.Certificate, name string, key *ecdsa.PublicKey, now time.Time) error {
	if err := Verify(c, authority, "", x509.ExtKeyUsageClientAuth, now); err != nil {
		return err
	}
	if c.Subject.CommonName != name {
		return fmt.Errorf("%w: it is for %q, not for %s", ErrOther, c.Subject.CommonName, name)
	}
	if !key.Equal(c.PublicKey) {
		return fmt.Errorf("%w: it is for another key", ErrOther)
	}
	return nil
}
