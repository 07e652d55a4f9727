package probe

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"relink/internal/durable"
	"relink/internal/hint"
	"relink/internal/trust"
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
