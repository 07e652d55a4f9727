package probe

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"time"

	"relink/internal/hint"
)

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
	root, err := os.OpenRoot(release)
	if err != nil {
		return err
	}
	defer root.Close()
	folder, err := root.OpenRoot(cmp.Or(docroot, "."))
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
