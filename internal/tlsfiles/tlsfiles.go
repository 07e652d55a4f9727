// Package tlsfiles reads certificates, keys and authorities in PEM form. Root takes none that
// others could change: a key or an authority of theirs would let them answer, or ask.
package tlsfiles

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"

	"relink/internal/hint"
	"relink/internal/trust"
)

// most bounds a file in bytes: a system's whole bundle of authorities is a quarter of it.
const most = 1 << 20

// read reads at most 1 MiB, of the very file that it has looked at. A secret is one that others
// may not read; a group may.
func read(path string, secret bool) ([]byte, error) {
	file, err := trust.OpenForRoot(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if mode := info.Mode().Perm(); secret && mode&0o007 != 0 {
		return nil, hint.With(fmt.Errorf("%s: everybody on this machine can read this key (mode %04o)", path, mode),
			"chmod o= %s, and have a new key made where others may have read it", hint.Shell(path))
	}
	text, err := io.ReadAll(io.LimitReader(file, most+1))
	if err == nil && len(text) > most {
		err = fmt.Errorf("%s is larger than %d bytes", path, most)
	}
	return text, err
}

// Pair is a certificate with its chain, and its key. It reads at most 1 MiB of each file.
func Pair(certificate, key string) (pair tls.Certificate, err error) {
	certificateText, err := read(certificate, false)
	if err != nil {
		return pair, err
	}
	keyText, err := read(key, true)
	if err != nil {
		return pair, err
	}
	return tls.X509KeyPair(certificateText, keyText)
}

// Authorities are those that are trusted. It reads at most 1 MiB.
func Authorities(file string) (*x509.CertPool, error) {
	text, err := read(file, false)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate", file)
	}
	return pool, nil
}
