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
	"strings"
	"sync"
	"time"

	"relink/internal/hint"
)

// Access says who may ask. Files are in PEM form; "" means none.
type Access struct {
	Cert, Key string
	ClientCA  string // only clients with a certificate of it are answered
	TokenFile string // holds the secret that each request must show
}

// ErrAccess means that a token or a certificate cannot be used.
var ErrAccess = errors.New("access")

const (
	leastToken = 16 // characters
	mostToken  = 4 << 10
)

// access is Access with its files read.
type access struct {
	token *[sha256.Size]byte // nil: none is asked for
	tls   *tls.Config        // nil: none
}

func (a Access) open() (*access, error) {
	opened := &access{}
	if a.TokenFile != "" {
		token, err := readToken(a.TokenFile)
		if err != nil {
			return nil, fmt.Errorf("%w: token_file %s: %w", ErrAccess, a.TokenFile, err)
		}
		opened.token = &token
	}
	if a.Cert == "" && a.Key == "" {
		if a.ClientCA != "" {
			return nil, hint.With(fmt.Errorf("%w: client_ca without a certificate of the service", ErrAccess), "give tls cert and key too")
		}
		return opened, nil
	}
	files := &keyPair{cert: a.Cert, key: a.Key}
	if _, err := files.get(nil); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAccess, err)
	}
	opened.tls = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: files.get, NextProtos: []string{"http/1.1"}}
	return opened, opened.trust(a.ClientCA)
}

func (a *access) trust(authorities string) error {
	if authorities == "" {
		return nil
	}
	text, err := os.ReadFile(authorities)
	if err != nil {
		return fmt.Errorf("%w: client_ca: %w", ErrAccess, err)
	}
	a.tls.ClientCAs, a.tls.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
	if !a.tls.ClientCAs.AppendCertsFromPEM(text) {
		return fmt.Errorf("%w: client_ca %s: no certificate in it", ErrAccess, authorities)
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

func readToken(path string) (sum [sha256.Size]byte, err error) {
	file, err := os.Open(path)
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
	return ok && subtle.ConstantTimeCompare(sum[:], a.token[:]) == 1
}

// keyPair is a certificate with its key, read again when one of the files has
// changed, so that a renewal needs no restart.
type keyPair struct {
	cert, key string

	mu      sync.Mutex
	current *tls.Certificate
	changed [2]time.Time
}

// get keeps the old pair where the new one cannot be read: it may be half
// renewed.
func (p *keyPair) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	changed := [2]time.Time{modified(p.cert), modified(p.key)}
	if p.current != nil && changed == p.changed {
		return p.current, nil
	}
	pair, err := tls.LoadX509KeyPair(p.cert, p.key)
	switch {
	case err == nil:
		p.current, p.changed = &pair, changed
	case p.current == nil:
		return nil, fmt.Errorf("certificate %s: %w", p.cert, err)
	}
	return p.current, nil
}

func modified(path string) time.Time {
	info, err := os.Stat(path)
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}
