package release

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"slices"

	"relink/deploy/release/kept"
	"relink/internal/durable"
	"relink/internal/tree"
)

// mostSynced is how many files and folders are synced one by one. For more, one syncfs
// costs less, though that waits for what others have written to the file system too, such
// as a database.
const mostSynced = 256

// sync has all of the slot on disk: what its list had is, from when it was sealed.
func (st *Staging) sync() error {
	names := st.slot.unsynced()
	if len(names) > mostSynced {
		return durable.SyncFileSystem(st.path)
	}
	err := tree.With(st.path, func(root *os.Root) error {
		for _, name := range names {
			if err := tree.Sync(root, name); err != nil {
				return err
			}
		}
		return nil
	})
	if errors.Is(err, fs.ErrPermission) { // a file that its owner may not open
		return durable.SyncFileSystem(st.path)
	}
	return err
}

// unsynced are the files that are not as they were when the slot was sealed last, and the
// folders that their names, or those of files that have gone, are in. The name of a link
// is all that there is of it.
func (s *slotStaging) unsynced() []string {
	names := []string{"."}
	for name, e := range s.after.Files {
		was := s.known[name]
		if e.Mode.IsDir() {
			was = s.before.Files[name]
		}
		if e.IsThe(was) {
			continue
		}
		if e.Mode.Type() != fs.ModeSymlink {
			names = append(names, name)
		}
		names = append(names, path.Dir(name))
	}
	for _, name := range s.changes.Removed {
		if folder := path.Dir(name); s.after.Files[folder] != (kept.Entry{}) {
			names = append(names, folder)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
