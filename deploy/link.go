package deploy

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"relink/internal/hint"
	"relink/internal/realpath"

	"golang.org/x/sys/unix"
)

// LinkKind says what stands at the path of an instance's link.
type LinkKind string

const (
	LinkMissing  LinkKind = "missing"   // nothing: the first deploy creates it
	LinkGood     LinkKind = "link"      // a symbolic link to a folder
	LinkDangling LinkKind = "dangling"  // a symbolic link to nothing
	LinkBlocked  LinkKind = "blocked"   // a real file or folder
	LinkNoParent LinkKind = "no-parent" // the folder for the link is missing
)

// LinkState is what one link's path holds now.
type LinkState struct {
	Path     string   // as configured
	Parent   string   // real path of the folder that holds the link
	Kind     LinkKind // what is there
	Literal  string   // the link's text
	Real     string   // the real folder it leads to; for a dangling link where that folder would be
	UID, GID int      // the link's own owner
	dir      bool     // LinkBlocked: a folder
}

// Place is where the link's name really lies: the same for two spellings of a
// path that lead through different unnamed links.
func (s LinkState) Place() string { return filepath.Join(s.Parent, filepath.Base(s.Path)) }

// ReadLink looks at a link without changing anything.
func ReadLink(path string) (LinkState, error) {
	state := LinkState{Path: path, UID: -1, GID: -1}
	parent, err := realpath.Of(filepath.Dir(path))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		state.Kind = LinkNoParent
		return state, nil
	}
	if err != nil {
		return state, fmt.Errorf("read link %s: %w", path, err)
	}
	state.Parent = parent
	return readPlace(state)
}

func readPlace(state LinkState) (LinkState, error) {
	info, err := os.Lstat(state.Place())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		state.Kind = LinkMissing
		return state, nil
	case errors.Is(err, syscall.ENOTDIR):
		state.Kind = LinkNoParent
		return state, nil
	case err != nil:
		return state, fmt.Errorf("read link %s: %w", state.Path, err)
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok {
		state.UID, state.GID = int(owner.Uid), int(owner.Gid)
	}
	if info.Mode()&fs.ModeSymlink == 0 {
		state.Kind, state.dir = LinkBlocked, info.IsDir()
		return state, nil
	}
	return readTarget(state)
}

func readTarget(state LinkState) (LinkState, error) {
	literal, err := os.Readlink(state.Place())
	if err != nil {
		return state, fmt.Errorf("read link %s: %w", state.Path, err)
	}
	state.Literal = literal
	real, err := realpath.Of(state.Place())
	switch {
	case err == nil:
		state.Kind, state.Real = LinkGood, real
	case errors.Is(err, fs.ErrNotExist):
		state.Kind, state.Real = LinkDangling, wouldBe(state.Parent, literal)
	default:
		return state, fmt.Errorf("follow link %s -> %s: %w", state.Path, literal, err)
	}
	return state, nil
}

// wouldBe resolves as much of a missing target as exists: OPcache may still hold
// scripts under that real path, and they have to be found there.
func wouldBe(parent, literal string) string {
	path := literal
	if !filepath.IsAbs(path) {
		path = filepath.Join(parent, literal)
	}
	return realPrefix(filepath.Clean(path))
}

// realPrefix is realpath.Of for a path whose last elements may be missing.
func realPrefix(path string) string {
	rest := ""
	for dir := path; ; dir = filepath.Dir(dir) {
		if real, err := realpath.Of(dir); err == nil {
			return filepath.Join(real, rest)
		}
		if dir == filepath.Dir(dir) {
			return path
		}
		rest = filepath.Join(filepath.Base(dir), rest)
	}
}

// Usable says why a link cannot be moved, or nil. It asks the file system only
// whether the folder can be written.
func (s LinkState) Usable() error {
	switch s.Kind {
	case LinkNoParent:
		return hint.With(fmt.Errorf("%s: the folder for the link does not exist", s.Path),
			"create it: mkdir -p %s", quote(filepath.Dir(s.Path)))
	case LinkBlocked:
		return s.blocked()
	}
	if err := unix.Access(s.Parent, unix.W_OK|unix.X_OK); err != nil {
		return hint.With(fmt.Errorf("%s: cannot change links in %s: %w", s.Path, s.Parent, err),
			"run relink as a user who may write in that folder")
	}
	return nil
}

func (s LinkState) blocked() error {
	if !s.dir {
		return hint.With(fmt.Errorf("%s: is a file, not a symbolic link", s.Path),
			"move the file away; the deploy then creates the link")
	}
	return hint.With(fmt.Errorf("%s: is a folder, not a symbolic link", s.Path),
		"convert it once: mv %[1]s %[2]s && ln -s %[2]s %[1]s; the next deploy takes it from there, and a rollback leads back to it",
		quote(s.Path), quote(s.Path+".before-relink"))
}

// quote makes a path fit to be pasted into a shell.
func quote(path string) string {
	if strings.IndexFunc(path, needsQuoting) < 0 {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}

func needsQuoting(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-+:@,=", r))
}

// readLinks is ReadLink for each instance, in their order.
func readLinks(instances []Instance) ([]LinkState, error) {
	states := make([]LinkState, len(instances))
	var failed []error
	for i, instance := range instances {
		var err error
		if states[i], err = ReadLink(instance.Link); err != nil {
			failed = append(failed, fmt.Errorf("instance %s: %w", instance.Name, err))
		}
	}
	return states, errors.Join(failed...)
}
