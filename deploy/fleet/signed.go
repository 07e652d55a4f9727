package fleet

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Signature is by whose key a rollout was asked for. Whoever may write in etcd could write any
// name there, but sign with no key but his own.
type Signature struct {
	Certificates []string `json:"certificates"` // DER as base64, that of the key first
	Signature    string   `json:"signature"`    // of all that was asked for, and of who it was, as base64
}

// ErrUnsigned: a rollout is not as somebody with a certificate has asked for it.
var ErrUnsigned = errors.New("not proven by a signature")

// asked is what is signed: all that whoever asks decides, and nothing that becomes of it.
func (r *Rollout) asked(fleet, app string) ([]byte, error) {
	return json.Marshal(struct {
		Fleet, App, ID, By, Ref, Commit string
		Started                         time.Time
		Hosts                           []string
		All                             bool
		Waves                           []int `json:",omitempty"` // none, however it is written
		Quorum                          int
	}{fleet, app, r.ID, r.By, r.Target.Ref, r.Target.Commit, r.Started, r.Hosts, r.All, r.Waves, r.Quorum})
}

// Sign notes that the owner of a key asks for it.
func (r *Rollout) Sign(fleet, app string, own tls.Certificate) error {
	text, err := r.asked(fleet, app)
	if err != nil {
		return err
	}
	key, is := own.PrivateKey.(crypto.Signer)
	if !is {
		return fmt.Errorf("a key of the kind %T cannot sign", own.PrivateKey)
	}
	sum := sha256.Sum256(text)
	digest, hash := sum[:], crypto.SHA256
	if _, is := key.Public().(ed25519.PublicKey); is {
		digest, hash = text, crypto.Hash(0)
	}
	signed, err := key.Sign(rand.Reader, digest, hash)
	if err != nil {
		return err
	}
	r.Signed = &Signature{Signature: base64.StdEncoding.EncodeToString(signed)}
	for _, der := range own.Certificate {
		r.Signed.Certificates = append(r.Signed.Certificates, base64.StdEncoding.EncodeToString(der))
	}
	return nil
}

// SignedBy is the name in the certificate by which it was asked for, where that is of one of
// the authorities and was valid when the rollout says that it began.
func (r *Rollout) SignedBy(fleet, app string, authorities *x509.CertPool) (name string, err error) {
	if r.Signed == nil || len(r.Signed.Certificates) == 0 {
		return "", ErrUnsigned
	}
	own, err := certificateIn(r.Signed.Certificates[0])
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrUnsigned, err)
	}
	signed, err := base64.StdEncoding.DecodeString(r.Signed.Signature)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrUnsigned, err)
	}
	between := x509.NewCertPool()
	for _, text := range r.Signed.Certificates[1:] {
		if c, err := certificateIn(text); err == nil {
			between.AddCert(c)
		}
	}
	if _, err := own.Verify(x509.VerifyOptions{Roots: authorities, Intermediates: between, CurrentTime: r.Started, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
		return "", fmt.Errorf("%w: %w", ErrUnsigned, err)
	}
	text, err := r.asked(fleet, app)
	if err != nil {
		return "", err
	}
	kind := x509.ECDSAWithSHA256
	switch own.PublicKey.(type) {
	case ed25519.PublicKey:
		kind = x509.PureEd25519
	case *rsa.PublicKey:
		kind = x509.SHA256WithRSA
	}
	if err := own.CheckSignature(kind, text, signed); err != nil {
		return "", fmt.Errorf("%w: %w", ErrUnsigned, err)
	}
	return own.Subject.CommonName, nil
}

func certificateIn(text string) (*x509.Certificate, error) {
	der, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}
