package release

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"relink/deploy/release/kept"
	"relink/internal/durable"
	"relink/internal/hint"
	"relink/internal/links"
	"relink/internal/state"
	"relink/internal/tree"

	"golang.org/x/sys/unix"
)

// Remove deletes a sealed release; others give ErrForeign. It vanishes in one
// rename, so that nobody ever sees half of it; what an interruption leaves in
// the trash goes with the next CleanStaging. Of the manifest it reads at most 64 MiB.
func (s *Store) Remove(ctx context.Context, id string) error {
	r, err := s.Get(id)
	if err != nil {
		return fmt.Errorf("remove release: %w", err)
	}
	if !r.Sealed {
		return hint.With(fmt.Errorf("remove release %s: %w", id, errors.Join(ErrForeign, r.Problem)),
			"remove %s by hand when nothing uses it", r.Path)
	}
	switch at := links.PlaceOf(s.dir, id); {
	case r.Away:
		return errors.Join(s.removeRecord(id), state.Remove(s.Kept().ListPath(id)), s.Kept().Sweep())
	case at != "":
		return s.leave(ctx, id, at)
	}
	trash := filepath.Join(s.dir, fmt.Sprintf("%s%s-%08x", trashPrefix, id, rand.Uint32()))
	if err := os.Rename(r.Path, trash); err != nil {
		return hint.Write(fmt.Errorf("remove release %s: %w", id, err), s.dir)
	}
	if err := errors.Join(s.removeRecord(id), durable.SyncDir(s.dir)); err != nil {
		return err
	}
	return tree.Remove(ctx, trash)
}

// CleanStaging removes what interrupted deploys and removals left: staging
// folders, trash, and manifests without a release. Call it only while holding
// the deploy lock: another deploy's staging looks just like a leftover. Where a release
// is being made nevertheless, under another configuration, it does nothing. It returns
// the names that it removed.
func (s *Store) CleanStaging(ctx context.Context) ([]string, error) {
	held, err := s.hold(unix.LOCK_EX | unix.LOCK_NB)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.EWOULDBLOCK) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("clean: %w", err)
	}
	defer held.Close()
	entries, err := os.ReadDir(s.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("clean %s: %w", s.dir, err)
	}
	var removed []string
	for _, entry := range entries {
		name := entry.Name()
		if !strings.HasPrefix(name, stagingPrefix) && !strings.HasPrefix(name, trashPrefix) {
			continue
		}
		if err := tree.Remove(ctx, filepath.Join(s.dir, name)); err != nil {
			return removed, err
		}
		removed = append(removed, name)
	}
	slots, err := s.cleanSlots(ctx, entries)
	if err != nil {
		return append(removed, slots...), err
	}
	orphans, err := s.cleanRecords()
	return slices.Concat(removed, slots, orphans), err
}

// cleanSlots removes slots of which nothing is known: those that were never sealed, and
// those whose list of files is lost. A path of the latter never serves again.
func (s *Store) cleanSlots(ctx context.Context, entries []fs.DirEntry) (removed []string, err error) {
	for _, entry := range entries {
		name := entry.Name()
		if !entry.IsDir() || !links.IsPlace(name) || links.Occupant(s.dir, name) != "" {
			continue
		}
		if head, err := s.Kept().ReadHead(name); err != nil || head.Entries > 0 && links.IsSlot(name) {
			continue
		}
		if err := s.RetireSlot(ctx, name); err != nil {
			return removed, err
		}
		removed = append(removed, name)
	}
	return removed, nil
}

// cleanRecords removes what is known of releases and slots that are gone.
func (s *Store) cleanRecords() ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(s.dir, links.RecordDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("clean %s: %w", s.dir, err)
	}
	var removed []string
	for _, entry := range entries {
		if !s.orphan(entry.Name()) {
			continue
		}
		if err := state.Remove(filepath.Join(s.dir, links.RecordDir, entry.Name())); err != nil {
			return removed, fmt.Errorf("clean %s: %w", s.dir, err)
		}
		removed = append(removed, filepath.Join(links.RecordDir, entry.Name()))
	}
	return removed, s.Kept().Sweep()
}

// orphan tells of a manifest without a release, a list without a manifest or slot, and
// of what was not written to its end.
func (s *Store) orphan(name string) bool {
	if strings.HasPrefix(name, ".") {
		return true
	}
	if id, manifest := strings.CutSuffix(name, ".json"); manifest {
		_, err := s.folder(id)
		return errors.Is(err, ErrNotFound)
	}
	of, list := strings.CutSuffix(name, kept.ListSuffix)
	list = list || links.IsPlace(name) // which names the release in it
	needs := s.recordPath(of)
	if links.IsPlace(of) {
		needs = s.Path(of)
	}
	_, err := os.Lstat(needs)
	return list && errors.Is(err, fs.ErrNotExist)
}
