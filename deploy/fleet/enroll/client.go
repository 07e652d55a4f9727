package enroll

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"strings"
	"time"

	"relink/deploy/fleet/ca"
	"relink/internal/hint"
)

// Joined is what a host has after it has joined.
type Joined struct {
	Certificate *x509.Certificate
	Fleet       string
	Endpoints   []string
}

// Join makes this host's key, and gets a certificate for it at an address, HOST:PORT. What
// answers there has to be of the authority that the token pins, and have that address in its
// certificate. An answer has 64 KiB at most.
func Join(ctx context.Context, address string, t ca.Token, f ca.Folder, name string) (j Joined, err error) {
	if err := free(f, t.Pin); err != nil {
		return j, err
	}
	key, err := f.MakeHostKey()
	if err != nil {
		return j, err
	}
	request, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: name}}, key)
	if err != nil {
		return j, err
	}
	settings, err := pinned(address, t.Pin)
	if err != nil {
		return j, err
	}
	var got admitted
	if err := ask(ctx, address, joinPath, settings, joining{t.Secret, request}, &got); err != nil {
		return j, err
	}
	authority, own, err := got.certificates()
	if err == nil && !t.Pin.Is(authority) {
		err = fmt.Errorf("%w: the authority is not that of the token", ca.ErrOther)
	}
	if err == nil {
		err = ca.VerifyOwn(own, authority, name, &key.PublicKey, time.Now())
	}
	if err != nil {
		return j, fmt.Errorf("%s: %w", address, err)
	}
	return Joined{own, got.Fleet, got.Endpoints}, errors.Join(f.Trust(authority), f.Keep(own))
}

// free refuses a folder that belongs to another fleet, or to the authority itself.
func free(f ca.Folder, pin ca.Pin) error {
	if err := f.Make(); err != nil {
		return err
	}
	if f.HasAuthority() {
		return fmt.Errorf("%s holds the authority of a fleet: this host has its certificate from there (relink fleet init)", f)
	}
	there, err := f.Trusted()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case !pin.Is(there):
		return hint.With(fmt.Errorf("%w: %s holds the certificates of another fleet", ca.ErrOther, f), "give another folder by --dir, or remove this one")
	}
	return nil
}

// pinned trusts the authority that has the pin, and no other. crypto/tls would verify by
// authorities that are known before, so that it is told not to, and this does it.
func pinned(address string, pin ca.Pin) (*tls.Config, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS13, ServerName: host, InsecureSkipVerify: true,
		VerifyConnection: func(c tls.ConnectionState) error {
			last := c.PeerCertificates[len(c.PeerCertificates)-1]
			if !pin.Is(last) {
				return fmt.Errorf("%w: what answers is not of the authority that the token names", ca.ErrOther)
			}
			return ca.Verify(c.PeerCertificates[0], last, host, x509.ExtKeyUsageServerAuth, time.Now())
		},
	}, nil
}

// Renew replaces this host's certificate by a new one where it is time: by the authority in
// the folder or, where that is on another host, at its address.
func Renew(ctx context.Context, f ca.Folder, address string) (renewed bool, err error) {
	present, err := f.Host()
	if err != nil {
		return false, err
	}
	key, err := f.HostKey() // also where it is not time yet: that others may read it is to be told soon
	if err != nil {
		return false, err
	}
	if now := time.Now(); !ca.Due(present, now) {
		return false, nil
	}
	if f.HasAuthority() {
		err = renewHere(f, present, key)
	} else {
		err = renewAt(ctx, f, address, present, key)
	}
	if err != nil {
		return false, fmt.Errorf("the certificate of this host ends on %s, and could not be renewed: %w", present.NotAfter.Format(time.DateOnly), err)
	}
	return true, nil
}

func renewHere(f ca.Folder, present *x509.Certificate, key *ecdsa.PrivateKey) error {
	authority, err := f.Authority()
	if err != nil {
		return err
	}
	next, err := authority.Issue(ca.HostOf(present), key.Public(), time.Now())
	if err != nil {
		return err
	}
	return errors.Join(f.Alone(func() error { return f.Record(next) }), f.Keep(next))
}

func renewAt(ctx context.Context, f ca.Folder, address string, present *x509.Certificate, key *ecdsa.PrivateKey) error {
	authority, settings, err := known(f, present, key)
	if err != nil {
		return err
	}
	var got admitted
	if err := ask(ctx, address, renewPath, settings, struct{}{}, &got); err != nil {
		return err
	}
	_, next, err := got.certificates()
	if err == nil {
		err = ca.VerifyOwn(next, authority, present.Subject.CommonName, &key.PublicKey, time.Now())
	}
	if err != nil {
		return fmt.Errorf("%s: %w", address, err)
	}
	return f.Keep(next)
}

// known is how a host shows its present certificate to the one that has the authority.
func known(f ca.Folder, present *x509.Certificate, key *ecdsa.PrivateKey) (authority *x509.Certificate, settings *tls.Config, err error) {
	if time.Now().After(present.NotAfter) {
		return nil, nil, hint.With(ca.ErrExpired, "join again: relink fleet token --host %s on the host that has the authority, then relink fleet join here", present.Subject.CommonName)
	}
	if authority, err = f.Trusted(); err != nil {
		return nil, nil, err
	}
	pool := x509.NewCertPool()
	pool.AddCert(authority)
	return authority, &tls.Config{
		MinVersion: tls.VersionTLS13, RootCAs: pool,
		Certificates: []tls.Certificate{{Certificate: [][]byte{present.Raw}, PrivateKey: key}},
	}, nil
}

// AskMember asks the host with the authority, at its address, to have this one be a member of
// the fleet's etcd. An answer has 64 KiB at most.
func AskMember(ctx context.Context, f ca.Folder, address string, asked Membership) (m Member, err error) {
	present, err := f.Host()
	if err != nil {
		return m, err
	}
	key, err := f.HostKey()
	if err != nil {
		return m, err
	}
	_, settings, err := known(f, present, key)
	if err == nil {
		err = ask(ctx, address, memberPath, settings, asked, &m)
	}
	return m, err
}

// ask sends one question. No proxy is asked: what stands in the environment is not the fleet's.
func ask(ctx context.Context, address, path string, settings *tls.Config, question, got any) error {
	ctx, cancel := context.WithTimeout(ctx, wholeTime)
	defer cancel()
	text, err := json.Marshal(question)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+address+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	client := &http.Client{
		Transport:     &http.Transport{TLSClientConfig: settings, DisableKeepAlives: true, TLSHandshakeTimeout: askTime},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	answer, err := client.Do(request)
	if errors.Is(err, ca.ErrOther) {
		return err
	}
	if err != nil {
		return hint.With(err, "the agent on the host that has the authority answers at its fleet.listen: see that it runs, and that this host may reach it")
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		words, _ := io.ReadAll(io.LimitReader(answer.Body, mostWords))
		return fmt.Errorf("%w by %s: %q", ErrRefused, address, strings.TrimSpace(string(words)))
	}
	if err := json.NewDecoder(io.LimitReader(answer.Body, mostAnswered)).Decode(got); err != nil {
		return fmt.Errorf("answer of %s: %w", address, err)
	}
	return nil
}
