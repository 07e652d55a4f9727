package serve

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"relink/internal/config"
	"relink/internal/hint"
	"relink/internal/tlsfiles"
	"relink/internal/trust"
)

// ErrAccess means that a token or a certificate cannot be used.
var ErrAccess = errors.New("access")

const (
	leastToken = 16 // characters
	mostToken  = 4 << 10
)

// access says who may ask.
type access struct {
	token *current[[sha256.Size]byte] // nil: none is asked for
	tls   *tls.Config                 // nil: none
}

func openAccess(o config.Serve) (opened *access, err error) {
	opened = &access{}
	if o.TokenFile != "" {
		opened.token, err = watch("token_file", func() ([sha256.Size]byte, error) { return readToken(o.TokenFile) }, o.TokenFile)
		if err != nil {
			return nil, err
		}
	}
	if o.TLS.Cert == "" && o.TLS.Key == "" {
		if o.TLS.ClientCA != "" {
			return nil, hint.With(fmt.Errorf("%w: client_ca without a certificate of the service", ErrAccess), "give tls cert and key too")
		}
		return opened, nil
	}
	pair, err := watch("certificate", func() (tls.Certificate, error) { return tlsfiles.Pair(o.TLS.Cert, o.TLS.Key) }, o.TLS.Cert, o.TLS.Key)
	if err != nil {
		return nil, err
	}
	opened.tls = &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			one, err := pair.get()
			return &one, err
		}}
	return opened, opened.authorities(o.TLS.ClientCA)
}

// authorities asks for certificates of the authorities, whose file is looked at for each
// connection: one that was taken out is trusted no more. Sessions are not resumed, since
// that would spare a client the proof.
func (a *access) authorities(file string) error {
	if file == "" {
		return nil
	}
	roots, err := watch("client_ca", func() (*x509.CertPool, error) { return tlsfiles.Authorities(file) }, file)
	if err != nil {
		return err
	}
	a.tls.ClientAuth, a.tls.SessionTicketsDisabled = tls.RequireAndVerifyClientCert, true
	static := a.tls.Clone()
	a.tls.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		pool, err := roots.get()
		trusting := static.Clone()
		trusting.ClientCAs = pool
		return trusting, err
	}
	return nil
}

// remote tells whether others than this machine may ask.
func (a *access) remote() bool {
	return a.tls != nil && (a.token != nil || a.tls.ClientAuth == tls.RequireAndVerifyClientCert)
}

// unguarded tells whether neither a token nor a client certificate is asked for.
func (a *access) unguarded() bool {
	return a.token == nil && (a.tls == nil || a.tls.ClientAuth == tls.NoClientCert)
}

// readToken gives the sum of a token. A file of more than 4 KiB is refused.
func readToken(path string) (sum [sha256.Size]byte, err error) {
	file, err := trust.OpenForRoot(path)
	if err != nil {
		return sum, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return sum, err
	}
	if info.Mode().Perm()&0o007 != 0 {
		return sum, hint.With(errors.New("everybody may read or write it"), "run chmod 600 %s", path)
	}
	text, err := io.ReadAll(io.LimitReader(file, mostToken+1))
	if err != nil {
		return sum, err
	}
	token := strings.TrimSpace(string(text))
	if len(token) < leastToken || len(text) > mostToken {
		return sum, hint.With(fmt.Errorf("it must hold %d to %d characters", leastToken, mostToken), "make one with: openssl rand -hex 32")
	}
	return sha256.Sum256([]byte(token)), nil
}

// shown tells whether a request shows the token: as a bearer, or as the password
// of a browser, whatever the user. The sums are compared, so that the time tells
// nothing, not even the length.
func (a *access) shown(r *http.Request) bool {
	if a.token == nil {
		return true
	}
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		_, token, ok = r.BasicAuth()
	}
	sum := sha256.Sum256([]byte(token))
	wanted, err := a.token.get()
	return ok && err == nil && subtle.ConstantTimeCompare(sum[:], wanted[:]) == 1
}

// current is what files hold, read again when one of them has changed, so that neither a
// renewal nor a withdrawal needs a restart.
type current[T any] struct {
	files []string
	read  func() (T, error)

	mu      sync.Mutex
	known   bool
	value   T
	changed []time.Time
}

// watch reads files for the first time.
func watch[T any](what string, read func() (T, error), files ...string) (*current[T], error) {
	c := &current[T]{files: files, read: read}
	if _, err := c.get(); err != nil {
		return nil, fmt.Errorf("%w: %s %s: %w", ErrAccess, what, files[0], err)
	}
	return c, nil
}

// get keeps the old value where the new one cannot be read: it may be half renewed.
func (c *current[T]) get() (T, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	changed := make([]time.Time, len(c.files))
	for i, file := range c.files {
		if info, err := os.Stat(file); err == nil {
			changed[i] = info.ModTime()
		}
	}
	if c.known && slices.Equal(changed, c.changed) {
		return c.value, nil
	}
	value, err := c.read()
	switch {
	case err == nil:
		c.known, c.value, c.changed = true, value, changed
	case !c.known:
		return value, err
	}
	return c.value, nil
}
