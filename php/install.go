package php

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"relink/internal/bounded"
	"relink/internal/durable"
	"relink/internal/hint"
	"relink/internal/trust"
)

//go:embed agent.php
var agentSource []byte

// InstallAgent puts the agent under dir, which it creates if needed, and returns
// the file's path. The name carries the content's hash, so that the agents of two
// versions of relink never replace each other. It refuses a folder in which
// anybody but root and the caller could put a file of their own, since every pool
// runs it with the rights of its user. Of a file that is there already it reads at most one
// byte more than the agent has.
func InstallAgent(dir string) (string, error) {
	return install(dir, agentSource)
}

// AgentInstalled tells whether the agent is in dir ("": DefaultAgentDir) already. It reads
// at most one byte more than the agent has.
func AgentInstalled(dir string) bool {
	present, err := isInstalled(filepath.Join(cmp.Or(dir, DefaultAgentDir), agentName(agentSource)), agentSource)
	return err == nil && present
}

func install(dir string, source []byte) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("install the agent in %s: %w", dir, err)
	}
	file := filepath.Join(dir, agentName(source))
	if err := prepare(dir, file, source); err != nil {
		return "", fmt.Errorf("install the agent: %w", err)
	}
	return file, nil
}

func agentName(source []byte) string {
	sum := sha256.Sum256(source)
	return "relink-agent-" + hex.EncodeToString(sum[:8]) + ".php"
}

func prepare(dir, file string, source []byte) error {
	if err := makeDirs(dir); err != nil {
		return hint.With(err, "set agent_dir to a folder that you may create, or run relink as root")
	}
	if err := checkDir(dir); err != nil {
		return err
	}
	present, err := isInstalled(file, source)
	if err != nil || present {
		return err
	}
	// A file of another mode may have been changed, and the new one would inherit
	// its mode (renameio.WithExistingPermissions).
	if err := os.Chmod(file, 0o644); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return hint.With(write(file, source),
		"run relink once as the owner of %s, or set agent_dir to a folder of your own", dir)
}

// write makes the agent look old: OPcache does not keep a file younger than
// opcache.file_update_protection, so that every call of the first seconds would
// compile it again.
func write(file string, source []byte) error {
	if err := durable.WriteFile(file, source, 0o644); err != nil {
		return err
	}
	old := time.Now().Add(-24 * time.Hour)
	return os.Chtimes(file, old, old)
}

// makeDirs is os.MkdirAll whatever the umask: a pool's user must be able to enter. It
// makes nothing below a folder that others can write, where links would lead it
// anywhere.
func makeDirs(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		if err := trust.Check(dir); err != nil {
			return fmt.Errorf("%w %s: %w", ErrUnsafeDir, dir, err)
		}
		return nil
	}
	if err := makeDirs(filepath.Dir(dir)); err != nil {
		return err
	}
	err := os.Mkdir(dir, 0o755)
	if errors.Is(err, fs.ErrExist) {
		return nil // made by another relink meanwhile, and checked below
	}
	if err != nil {
		return err
	}
	return os.Chmod(dir, 0o755)
}

// isInstalled reports whether file is the agent, and fails if it is something
// that relink must not replace.
func isInstalled(file string, source []byte) (bool, error) {
	info, err := os.Lstat(file)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if !info.Mode().IsRegular() || !trust.Owned(info) {
		return false, hint.With(fmt.Errorf("%w: %s is not a regular file of root or of the caller", ErrUnsafeDir, file),
			"find out who made %s, then remove it", file)
	}
	if info.Mode().Perm() != 0o644 {
		return false, nil
	}
	content, err := bounded.File(file, int64(len(source)))
	if errors.Is(err, bounded.ErrTooLarge) {
		return false, nil
	}
	return bytes.Equal(content, source), err
}

// checkDir refuses a folder in which, or on the way to which, anybody but root and
// the caller could put something else. In a folder like /tmp, which is fine on the
// way, nobody can replace the folder of another user, but anybody can create one.
func checkDir(dir string) error {
	err := trust.Check(dir)
	var info fs.FileInfo
	if err == nil {
		info, err = os.Stat(dir)
	}
	switch {
	case err != nil:
	case !info.IsDir():
		err = fmt.Errorf("%s is not a folder", dir)
	case trust.WritableByOthers(info):
		err = fmt.Errorf("others can create files in it (mode %04o)", info.Mode().Perm())
	}
	if err != nil {
		return hint.With(fmt.Errorf("%w %s: %w", ErrUnsafeDir, dir, err),
			"set agent_dir to a folder below ones that only root or you can write, such as %s", DefaultAgentDir)
	}
	return nil
}
