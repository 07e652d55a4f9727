// Package state keeps files of state: documents, histories of JSON lines, and
// samples named by their time. A crash leaves each as it was or as it is to be.
package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"relink/internal/bounded"
	"relink/internal/durable"

	"golang.org/x/sys/unix"
)

// mode lets monitoring read what is known, by the group of the folder where that is
// setgid. Others need not know who deploys what.
const mode = 0o640

// maxDoc bounds what is read of a document: the journal of 10,000 instances has 5 MB.
const maxDoc = 64 << 20

// Read gives the bytes of a document of at most 64 MiB, nil where there is none.
func Read(path string) ([]byte, error) {
	text, err := bounded.File(path, maxDoc)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return text, err
}

// Write replaces a document.
func Write(path string, value any) error {
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return err
	}
	return durable.WriteFile(path, append(text, '\n'), mode)
}

// Remove removes a document, durably, if there is one.
func Remove(path string) error {
	err := os.Remove(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return durable.SyncDir(filepath.Dir(path))
}

// Reserve keeps space for what has to be written when the disk may be full: Remove
// gives it back.
func Reserve(path string, bytes int64) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|unix.O_NOFOLLOW, mode)
	if err != nil {
		return err
	}
	err = unix.Fallocate(int(file.Fd()), 0, 0, bytes)
	if errors.Is(err, unix.EOPNOTSUPP) { // NFS and the like: nothing can be kept there
		err = nil
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return errors.Join(fmt.Errorf("reserve %d bytes in %s: %w", bytes, path, err), os.Remove(path))
	}
	return nil
}
