package ca

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"relink/internal/bounded"
	"relink/internal/durable"
	"relink/internal/hint"
	"relink/internal/tree"
	"relink/internal/trust"

	"golang.org/x/sys/unix"
)

// Folder holds the certificates of a host, in PEM form, each below 64 KiB. That of the host
// with the authority holds its key too, the tokens that were given out, and what was issued:
//
//	ca.pem  host.pem  host.key  ca.key  tokens/HASH  hosts/NAME.pem
type Folder string

// Default is where the folder lies.
const Default Folder = "/etc/relink/fleet"

const (
	mostFile  = 64 << 10
	mostHosts = 100_000
)

// Kinds of PEM blocks.
const (
	certificateBlock = "CERTIFICATE"
	keyBlock         = "PRIVATE KEY"
)

// CA is the certificate of the authority.
func (f Folder) CA() string { return filepath.Join(string(f), "ca.pem") }

// Cert is the certificate of this host.
func (f Folder) Cert() string { return filepath.Join(string(f), "host.pem") }

// Key is the key of this host.
func (f Folder) Key() string { return filepath.Join(string(f), "host.key") }

// AuthorityKey is the key of the authority.
func (f Folder) AuthorityKey() string { return filepath.Join(string(f), "ca.key") }

// Make makes the folder, and refuses one that others can write, or could replace.
func (f Folder) Make() error {
	if err := os.MkdirAll(string(f), 0o755); err != nil {
		return err
	}
	return trust.Check(string(f))
}

// HasAuthority tells whether the authority is on this host.
func (f Folder) HasAuthority() bool {
	_, err := os.Lstat(f.AuthorityKey())
	return err == nil
}

// Authority opens the authority.
func (f Folder) Authority() (*Authority, error) {
	key, err := f.key(f.AuthorityKey())
	if errors.Is(err, fs.ErrNotExist) {
		err = hint.With(err, "the authority is on the host where relink fleet init was run")
	}
	if err != nil {
		return nil, fmt.Errorf("authority of the fleet: %w", err)
	}
	c, err := f.certificate(f.CA())
	if err == nil && (!c.IsCA || !key.PublicKey.Equal(c.PublicKey)) {
		err = fmt.Errorf("%s is not the certificate of %s", f.CA(), f.AuthorityKey())
	}
	if err != nil {
		return nil, fmt.Errorf("authority of the fleet: %w", err)
	}
	return &Authority{c, key}, nil
}

// MakeAuthority makes what is missing of an authority, and replaces nothing: where it was
// cut short it goes on.
func (f Folder) MakeAuthority(fleet string, now time.Time) (*Authority, error) {
	if _, err := os.Lstat(f.CA()); err == nil {
		if !f.HasAuthority() {
			return nil, hint.With(fmt.Errorf("%s is the authority of a fleet that this host has joined", f.CA()), "give another folder by --dir")
		}
		return f.Authority()
	}
	key, err := f.ownKey(f.AuthorityKey())
	if err != nil {
		return nil, err
	}
	a, err := sign(fleet, key, now)
	if err == nil {
		err = durable.WriteNewFile(f.CA(), certificateText(a.Certificate), 0o644)
	}
	return a, err
}

// MakeHostKey is the key of this host, which is made once: a certificate that is renewed
// replaces one file then, and no moment has a key without its certificate.
func (f Folder) MakeHostKey() (*ecdsa.PrivateKey, error) { return f.ownKey(f.Key()) }

// HostKey is the key that this host has.
func (f Folder) HostKey() (*ecdsa.PrivateKey, error) { return f.key(f.Key()) }

// Host is the certificate of this host.
func (f Folder) Host() (*x509.Certificate, error) { return f.certificate(f.Cert()) }

// Trusted is the certificate of the authority, on any host.
func (f Folder) Trusted() (*x509.Certificate, error) { return f.certificate(f.CA()) }

// Keep writes the certificate of this host.
func (f Folder) Keep(c *x509.Certificate) error {
	return durable.WriteFile(f.Cert(), certificateText(c), 0o644)
}

// Trust writes the certificate of the authority.
func (f Folder) Trust(c *x509.Certificate) error {
	return durable.WriteFile(f.CA(), certificateText(c), 0o644)
}

// ownKey reads a key, or makes it.
func (f Folder) ownKey(path string) (*ecdsa.PrivateKey, error) {
	key, err := f.key(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if key, err = newKey(); err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return key, durable.WriteNewFile(path, pem.EncodeToMemory(&pem.Block{Type: keyBlock, Bytes: der}), 0o600)
}

func (f Folder) key(path string) (*ecdsa.PrivateKey, error) {
	text, err := f.secret(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != keyBlock {
		return nil, fmt.Errorf("%s holds no key in PEM form", path)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s holds no ECDSA key", path)
	}
	return key, nil
}

// secret reads a file that nobody else may read, in a folder that nobody else may write.
func (f Folder) secret(path string) ([]byte, error) {
	if err := trust.Check(filepath.Dir(path)); err != nil {
		return nil, err
	}
	file, err := bounded.OpenNoLink(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !trust.Owned(info) || info.Mode().Perm()&0o077 != 0 {
		return nil, hint.With(fmt.Errorf("%s: %w, or read it (mode %04o)", path, trust.ErrOthers, info.Mode().Perm()),
			"chmod 600 %s, and begin anew where others may have read it", hint.Shell(path))
	}
	return io.ReadAll(io.LimitReader(file, mostFile))
}

func (f Folder) certificate(path string) (*x509.Certificate, error) {
	if err := trust.Check(filepath.Dir(path)); err != nil {
		return nil, err
	}
	text, err := bounded.File(path, mostFile)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != certificateBlock {
		return nil, fmt.Errorf("%s holds no certificate in PEM form", path)
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

func certificateText(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: certificateBlock, Bytes: c.Raw})
}

// recordOf is where what was issued to a host is kept. Names that differ by case only are
// one name, as for DNS.
func (f Folder) recordOf(name string) string {
	return filepath.Join(string(f), "hosts", strings.ToLower(name)+".pem")
}

// Known tells whether a host of that name has a certificate of this authority.
func (f Folder) Known(name string) bool {
	_, err := os.Lstat(f.recordOf(name))
	return err == nil
}

// Given is the certificate that a host was given last.
func (f Folder) Given(name string) (*x509.Certificate, error) { return f.certificate(f.recordOf(name)) }

// Alone has nobody else record or forget what was issued, in this process or another one,
// between what do looks at and what it writes.
func (f Folder) Alone(do func() error) error {
	folder := filepath.Join(string(f), "hosts")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	root, err := tree.OpenRoot(folder)
	if err != nil {
		return err
	}
	defer root.Close()
	held, err := root.Open(".")
	if err != nil {
		return err
	}
	defer held.Close()
	if err := unix.Flock(int(held.Fd()), unix.LOCK_EX); err != nil {
		return fmt.Errorf("lock %s: %w", folder, err)
	}
	return do()
}

// Record notes what was issued, before it is given out.
func (f Folder) Record(c *x509.Certificate) error {
	path := f.recordOf(c.Subject.CommonName)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return durable.WriteFile(path, certificateText(c), 0o644)
}

// Names are those of the hosts that have a certificate of this authority, of at most 100,000.
func (f Folder) Names() (names []string, err error) {
	entries, err := bounded.Folder(filepath.Join(string(f), "hosts"), mostHosts)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, entry := range entries {
		name, is := strings.CutSuffix(entry.Name(), ".pem")
		if !is {
			continue
		}
		c, err := f.Given(name)
		if err != nil {
			return nil, err
		}
		names = append(names, c.Subject.CommonName)
	}
	return names, nil
}

// Forget has a host's certificate not renewed any more, and lets another one take the name.
func (f Folder) Forget(name string) error {
	return f.Alone(func() error {
		err := os.Remove(f.recordOf(name))
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
}
