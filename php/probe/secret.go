package probe

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"relink/internal/durable"
	"relink/internal/hint"

	"golang.org/x/sys/unix"
)

// Secret is what names and tokens of all applications are derived from.
type Secret [32]byte

const secretName = "probe.secret"

// ReadSecret reads <state>/probe.secret. It gives fs.ErrNotExist where there is
// none, and refuses a file that others have made, can read or can change.
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
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
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
	var stat unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &stat); err != nil {
		return &os.PathError{Op: "stat", Path: file.Name(), Err: err}
	}
	switch {
	case stat.Mode&unix.S_IFMT != unix.S_IFREG:
		return fmt.Errorf("%s is no regular file", file.Name())
	case stat.Uid != 0 && int(stat.Uid) != os.Geteuid():
		return fmt.Errorf("%s belongs to user %d", file.Name(), stat.Uid)
	case stat.Mode&0o077 != 0:
		return fmt.Errorf("%s is open to others (mode %04o)", file.Name(), stat.Mode&0o7777)
	}
	return nil
}

// EnsureSecret reads the secret, or makes it. Of two processes that make it at
// the same time both get the one that stays.
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

// makeSecret gives a complete file its name by link(2), which unlike rename(2)
// leaves alone what another process has put there first.
func makeSecret(state string) error {
	if err := os.MkdirAll(state, 0o755); err != nil {
		return err
	}
	file, err := os.CreateTemp(state, "."+secretName+"-*") // O_EXCL, mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	defer file.Close()
	var secret Secret
	rand.Read(secret[:]) // never fails since Go 1.24
	if _, err := file.Write(secret[:]); err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return err
	}
	if err := os.Link(file.Name(), filepath.Join(state, secretName)); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return durable.SyncDir(state)
}
