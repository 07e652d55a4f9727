package serve

import (
	"crypto/tls"
	"fmt"
	"os"
	"sync"
	"time"
)

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
