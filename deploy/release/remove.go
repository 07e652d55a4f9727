package release

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"relink/internal/durable"
	"relink/internal/hint"
	"relink/internal/state"

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
	trash := filepath.Join(s.dir, fmt.Sprintf("%s%s-%08x", trashPrefix, id, rand.Uint32()))
	if err := os.Rename(r.Path, trash); err != nil {
		return hint.With(fmt.Errorf("remove release %s: %w", id, err), "run relink as the user that owns %s", s.dir)
	}
	if err := errors.Join(s.removeRecord(id), durable.SyncDir(s.dir)); err != nil {
		return err
	}
	return removeTree(ctx, trash)
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
		if err := removeTree(ctx, filepath.Join(s.dir, name)); err != nil {
			return removed, err
		}
		removed = append(removed, name)
	}
	orphans, err := s.cleanRecords()
	return append(removed, orphans...), err
}

func (s *Store) cleanRecords() ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(s.dir, recordDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("clean %s: %w", s.dir, err)
	}
	var removed []string
	for _, entry := range entries {
		id, ok := strings.CutSuffix(entry.Name(), ".json")
		unwritten := strings.HasPrefix(id, ".")
		if _, err := s.folder(id); !unwritten && (!ok || !errors.Is(err, ErrNotFound)) {
			continue
		}
		if err := state.Remove(filepath.Join(s.dir, recordDir, entry.Name())); err != nil {
			return removed, fmt.Errorf("clean %s: %w", s.dir, err)
		}
		removed = append(removed, filepath.Join(recordDir, entry.Name()))
	}
	return removed, nil
}
