package command

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"relink/deploy/fleet"
	"relink/deploy/fleet/ca"
	"relink/deploy/fleet/depot"
	"relink/deploy/source"
	"relink/deploy/source/archive"
	"relink/deploy/source/dir"
	"relink/internal/exit"
	"relink/internal/hint"
)

// isPath tells an archive or a folder from a name, which no source takes if it is a path.
func isPath(ref string) bool {
	return filepath.IsAbs(ref) || strings.HasPrefix(ref, "./") || strings.HasPrefix(ref, "../")
}

// suffixes are those of archives.
var suffixes = []string{".tar", ".tar.gz", ".tgz", ".tar.zst", ".zip"}

// sourceAt is the archive or folder at a path, and what its release is called: as the file
// is, without the suffix.
func sourceAt(path string) (source.Source, string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, "", err
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, "", exit.As(exit.ErrUsage, err)
	}
	ref := filepath.Base(path)
	if info.IsDir() {
		return dir.New(path), ref, named(ref)
	}
	for _, suffix := range suffixes {
		if name, is := strings.CutSuffix(filepath.Base(path), suffix); is {
			ref = name
		}
	}
	return archive.New(path), ref, named(ref)
}

// named refuses what a release cannot be called.
func named(ref string) error {
	err := source.CheckRef(ref)
	if err != nil {
		err = hint.Instead(err, "the release is called as the file or folder is: rename it")
	}
	return err
}

// handOut takes what a ref means into this host's depot, from where the others fetch it.
func (s *session) handOut(ctx context.Context, from source.Source, ref string) (fleet.Target, error) {
	to := fleet.Target{Ref: ref}
	if err := s.canHandOut(ctx); err != nil {
		return to, err
	}
	found, err := from.Resolve(ctx, ref)
	if err != nil || s.Bool("dry-run") {
		return to, err
	}
	update, end := s.Screen().Following("take", "KB")
	defer end()
	d := depot.In(s.settings.StateDir, ca.Folder(s.fleet.Dir), nil)
	to.List, err = d.Take(ctx, found, func(done, total int64) { update(int(done>>10), int(total>>10)) })
	return to, err
}

// canHandOut refuses at once where the others would ask in vain.
func (s *session) canHandOut(ctx context.Context) error {
	if s.fleet.Serve == "" {
		return hint.With(exit.Usagef("the other hosts cannot fetch it from this one: there is no fleet.serve"),
			"say where this host hands it out, by the certificates of relink fleet init: fleet: {serve: \"10.0.0.1:9159\"} (docs/fleet.md), and restart the agent")
	}
	if _, err := ca.Folder(s.fleet.Dir).Host(); err != nil {
		return hint.With(fmt.Errorf("fleet.serve: %w", err), "relink fleet init on the first host, and relink fleet join on the others, make certificates")
	}
	view, err := s.store.View(ctx)
	if err != nil {
		return err
	}
	if own, there := view.Hosts[s.fleet.Host]; !there || own.Serves == "" {
		return hint.With(fmt.Errorf("the agent of %s is not there, or does not hand out releases", s.fleet.Host), "systemctl restart relink-agent")
	}
	return nil
}
