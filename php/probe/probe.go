// Package probe puts a small PHP script into each site's document root that
// tells relink, and nobody else, which PHP answers there and which release it
// runs, and through which relink reaches PHP workers that only the web server
// can reach.
package probe

import (
	"cmp"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"relink/internal/durable"
	"relink/internal/hint"
	"relink/internal/tree"
	"relink/internal/trust"
)

//go:embed probe.php
var source string

// Name is the script's file name, the same in all releases of an application:
// the web server and PHP treat it then as they treat the application's pages.
func (s Secret) Name(app string) string {
	sum := s.derive("name", app)
	return "relink-" + hex.EncodeToString(sum[:8]) + ".php"
}

// Token is what a request has to show to the script.
func (s Secret) Token(app string) string { return hex.EncodeToString(s.derive("token", app)) }

func (s Secret) derive(purpose, app string) []byte {
	mac := hmac.New(sha256.New, s[:])
	mac.Write([]byte(purpose + "\x00" + app))
	return mac.Sum(nil)
}

// Script is the PHP source. Every user of the machine may read it: it holds only
// a digest of the token. agentDir is where the agent lies, as the PHP of the site
// sees that folder.
func (s Secret) Script(app, agentDir string) []byte {
	digest := sha256.Sum256([]byte(s.Token(app)))
	quote := strings.NewReplacer(`\`, `\\`, `'`, `\'`)
	fill := strings.NewReplacer(
		"{TOKEN_SHA256}", hex.EncodeToString(digest[:]),
		"{AGENT_DIR}", quote.Replace(strings.TrimRight(agentDir, "/")))
	return []byte(fill.Replace(source))
}

// Install writes the script into the document root of a release, in place of what
// has its name there. docroot is relative and may be or pass a link, as long as it
// stays within the release: relink often runs as root, and what a release holds is
// the application's.
func (s Secret) Install(release, docroot, app, agentDir string) error {
	err := s.install(release, docroot, app, agentDir)
	if err != nil {
		return hint.With(fmt.Errorf("install the probe in %s of %s: %w", docroot, release, err),
			"let the document root be a folder inside of the release, or turn the probe off (probe: off)")
	}
	return nil
}

func (s Secret) install(release, docroot, app, agentDir string) error {
	root, err := tree.OpenRoot(release)
	if err != nil {
		return err
	}
	defer root.Close()
	folder, err := tree.OpenRootIn(root, cmp.Or(docroot, "."))
	if err != nil {
		return err
	}
	defer folder.Close()
	return replace(folder, s.Name(app), s.Script(app, agentDir))
}

// replace swaps the file in by rename, so that PHP never meets half of it.
func replace(folder *os.Root, name string, content []byte) error {
	var random [8]byte
	rand.Read(random[:]) // never fails since Go 1.24
	pending := "." + name + "-" + hex.EncodeToString(random[:])
	err := write(folder, pending, content)
	if err == nil {
		err = folder.Rename(pending, name)
	}
	if err != nil {
		return errors.Join(err, folder.RemoveAll(pending))
	}
	dir, err := folder.Open(".") // durable.SyncDir would have to trust a path
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// write makes the script look old: OPcache does not keep a file younger than
// opcache.file_update_protection, and the probe is to be cached as pages are.
// Those of two releases still differ in time, as most pages do.
func write(folder *os.Root, name string, content []byte) error {
	file, err := folder.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	old := time.Now().Add(-24 * time.Hour)
	return errors.Join(err, file.Chmod(0o644), // whatever the umask
		folder.Chtimes(name, old, old), file.Sync(), file.Close())
}

// Secret is what names and tokens of all applications are derived from.
type Secret [32]byte

const secretName = "probe.secret"

// ReadSecret reads <state>/probe.secret. It gives fs.ErrNotExist where there is
// none, and refuses a file that others have made, can read or can change. It reads at most
// 33 bytes.
func ReadSecret(state string) (Secret, error) {
	path := filepath.Join(state, secretName)
	secret, err := readSecret(path)
	if err != nil {
		err = fmt.Errorf("secret of the probe: %w", err)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		err = hint.With(err, "if nobody should have changed %s, remove it as root and deploy each application once: that makes a new one", path)
	}
	return secret, err
}

func readSecret(path string) (secret Secret, err error) {
	// O_NONBLOCK: a fifo under this name must not hold relink up.
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return secret, err
	}
	defer file.Close()
	if err := checkSecret(file); err != nil {
		return secret, err
	}
	content, err := io.ReadAll(io.LimitReader(file, int64(len(secret))+1))
	if err != nil {
		return secret, err
	}
	if len(content) != len(secret) {
		return secret, fmt.Errorf("%s does not hold %d bytes", path, len(secret))
	}
	return Secret(content), nil
}

// checkSecret looks at the open file, not at its name, which could change meanwhile.
func checkSecret(file *os.File) error {
	info, err := file.Stat()
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is no regular file", file.Name())
	case !trust.Owned(info):
		return fmt.Errorf("%s belongs to another user", file.Name())
	case info.Mode().Perm()&0o077 != 0:
		return fmt.Errorf("%s is open to others (mode %04o)", file.Name(), info.Mode().Perm())
	}
	return nil
}

// EnsureSecret reads the secret, or makes it. Of two processes that make it at
// the same time both get the one that stays. Of the file at most 33 bytes are read.
func EnsureSecret(state string) (Secret, error) {
	secret, err := ReadSecret(state)
	if !errors.Is(err, fs.ErrNotExist) {
		return secret, err
	}
	if err := makeSecret(state); err != nil {
		return secret, hint.With(fmt.Errorf("make the secret of the probe: %w", err), "run relink as the owner of %s", state)
	}
	return ReadSecret(state)
}

// makeSecret leaves alone what another process has put there first.
func makeSecret(state string) error {
	if err := os.MkdirAll(state, 0o755); err != nil {
		return err
	}
	var secret Secret
	rand.Read(secret[:]) // never fails since Go 1.24
	err := durable.WriteNewFile(filepath.Join(state, secretName), secret[:], 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}
