// Package shared replaces entries of a release by links to a folder that all releases have
// in common, such as uploads and settings.
package shared

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"relink/internal/durable"
	"relink/internal/hint"
	"relink/internal/tree"
	"relink/internal/trust"
)

// Errors of shared entries.
var (
	ErrEntry     = errors.New("not a usable shared entry")
	ErrMissing   = errors.New("the shared file does not exist")
	errNotFolder = errors.New("is not a folder")
)

// Link replaces each entry of the release that is staged in the folder
// staging by a symbolic link to the same entry in sharedDir. An entry that ends
// with a slash is a folder and is created empty when it is missing; one that
// does not is taken as it is found. What sharedDir does not have yet is copied
// from the release, so that a first deploy starts from what the source brings;
// ErrMissing when neither has it.
//
// New folders and copies get sharedDir's owner. Links are relative, so that they
// hold in a chroot too. Root refuses a sharedDir that others could lead elsewhere; what
// is in it may be anybody's. Nothing is followed or written outside the two folders,
// whatever links the release or the application left in them.
func Link(ctx context.Context, staging, sharedDir string, entries []string) error {
	if len(entries) == 0 {
		return nil
	}
	names, err := parseEntries(entries)
	if err != nil {
		return err
	}
	if err := trust.CheckPlaceForRoot(sharedDir); err != nil {
		return fmt.Errorf("shared folder: root would write where its owner leads: %w", err)
	}
	if err := os.MkdirAll(sharedDir, 0o755); err != nil {
		return hint.With(fmt.Errorf("shared folder: %w", err), "create %s", sharedDir)
	}
	target, err := tree.Relative(staging, sharedDir)
	if err != nil {
		return fmt.Errorf("shared folder: %w", err)
	}
	s := &sharing{target: target}
	err = tree.Between(staging, sharedDir, func(release, shared *os.Root) error {
		s.release, s.shared = release, shared
		return s.linkAll(ctx, names)
	})
	// The shared folder may lie on another file system than the releases. Where this fails, the
	// next deploy finds what was adopted, and takes it for the administrator's.
	if s.adopted {
		err = errors.Join(err, durable.SyncFileSystem(sharedDir))
	}
	return err
}

type sharedEntry struct {
	name   string // clean, relative
	folder bool   // was written with a slash at its end
}

func parseEntries(entries []string) ([]sharedEntry, error) {
	var parsed []sharedEntry
	for _, text := range entries {
		entry := sharedEntry{name: path.Clean(text), folder: strings.HasSuffix(text, "/")}
		if !filepath.IsLocal(text) || entry.name == "." {
			return nil, hint.With(fmt.Errorf("shared entry %q: %w", text, ErrEntry), "write a path inside the release, such as var/uploads")
		}
		for _, other := range parsed {
			if tree.Within(entry.name, other.name) || tree.Within(other.name, entry.name) {
				return nil, hint.With(fmt.Errorf("shared entries %s and %s: %w: one lies in the other", other.name, entry.name, ErrEntry),
					"share only the outer one")
			}
		}
		parsed = append(parsed, entry)
	}
	return parsed, nil
}

type sharing struct {
	adopted         bool // something was made in the shared folder
	release, shared *os.Root
	target          string // relative path from the release's root to the shared folder
	uid, gid        int
}

func (s *sharing) linkAll(ctx context.Context, entries []sharedEntry) error {
	info, err := s.shared.Stat(".")
	if err != nil {
		return fmt.Errorf("shared folder: %w", err)
	}
	owner := info.Sys().(*syscall.Stat_t)
	s.uid, s.gid = int(owner.Uid), int(owner.Gid)
	for _, entry := range entries {
		if err := s.link(ctx, entry); err != nil {
			return fmt.Errorf("shared entry %s: %w", entry.name, err)
		}
	}
	return nil
}

func (s *sharing) link(ctx context.Context, entry sharedEntry) error {
	// Replacing what the release reaches by a link would change the link's target instead.
	barrier, err := tree.Barrier(s.release, path.Dir(entry.name))
	if err != nil {
		return err
	}
	if barrier != "" {
		return hint.With(fmt.Errorf("%w: %s is not a folder in the release", ErrEntry, barrier), "share %s itself, or another path", barrier)
	}
	if err := s.provide(ctx, entry); err != nil {
		return err
	}
	// By path, to get into folders without write permission too: the way there
	// is plain, and nothing but relink works in the staging folder.
	if err := tree.Remove(ctx, filepath.Join(s.release.Name(), entry.name)); err != nil {
		return err
	}
	parent := path.Dir(entry.name)
	if err := s.release.MkdirAll(parent, 0o755); err != nil {
		return err
	}
	up := strings.Repeat("../", strings.Count(entry.name, "/"))
	return s.release.Symlink(path.Join(up+s.target, entry.name), entry.name)
}

// provide makes sure that the shared folder has the entry.
func (s *sharing) provide(ctx context.Context, entry sharedEntry) error {
	_, err := s.shared.Lstat(entry.name)
	if err == nil {
		return s.checkKind(entry)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	brought, err := s.release.Lstat(entry.name)
	switch {
	case err == nil && entry.folder && !brought.IsDir():
		return fmt.Errorf("%w: the release has something there that is not a folder", ErrEntry)
	case err == nil && brought.Mode().Type() == fs.ModeSymlink:
		return hint.With(fmt.Errorf("%w: the release has a link there, and the shared folder has nothing yet", ErrEntry),
			"put the content into %s, or take the link out of the source", path.Join(s.shared.Name(), entry.name))
	case err == nil:
		s.adopted = true
		return s.adopt(ctx, entry.name)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	case entry.folder:
		s.adopted = true
		return tree.MakeFolders(s.shared, entry.name, 0o755, s.own)
	default:
		file := path.Join(s.shared.Name(), entry.name)
		return hint.With(fmt.Errorf("%w: %s", ErrMissing, file),
			"create %s, or write %s/ in the configuration if it is a folder", file, entry.name)
	}
}

// checkKind follows links: an administrator may keep uploads on another disk.
func (s *sharing) checkKind(entry sharedEntry) error {
	file := path.Join(s.shared.Name(), entry.name)
	info, err := os.Stat(file)
	if err != nil {
		return hint.With(err, "repair the link %s", file)
	}
	if entry.folder && !info.IsDir() {
		return fmt.Errorf("%w: %s %w", ErrEntry, file, errNotFolder)
	}
	return nil
}
