// Package links tells where symbolic links lead, and which releases they keep in use.
package links

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

// Kind says what stands at the path of an instance's link.
type Kind string

const (
	Missing  Kind = "missing"   // nothing: the first deploy creates it
	Good     Kind = "link"      // a symbolic link to a folder
	Dangling Kind = "dangling"  // a symbolic link to nothing
	Blocked  Kind = "blocked"   // a real file or folder
	NoParent Kind = "no-parent" // the folder for the link is missing

	Unreadable Kind = "unreadable" // nobody can tell: a loop, or what the caller may not look at
)

// State is what one link's path holds now.
type State struct {
	Path     string // as configured
	Parent   string // real path of the folder that holds the link
	Kind     Kind   // what is there
	Literal  string // the link's text
	Real     string // the real folder it leads to; for a dangling link where that folder would be
	UID, GID int    // the link's own owner
	Err      error  // Unreadable: why
	dir      bool   // Blocked: a folder
}

// Place is where the link's name really lies: the same for two spellings of a
// path that lead through different unnamed links.
func (s State) Place() string { return filepath.Join(s.Parent, filepath.Base(s.Path)) }

// Leads says in words where the link leads.
func (s State) Leads() string {
	switch s.Kind {
	case Missing, NoParent:
		return "there is none"
	case Blocked:
		return "a file or folder is there"
	}
	return "leads to " + s.Literal
}

// Read looks at a link without changing anything.
func Read(path string) State {
	state := State{Path: path, UID: -1, GID: -1}
	parent, err := realpath.Of(filepath.Dir(path))
	var info fs.FileInfo
	if err == nil {
		state.Parent = parent
		info, err = os.Lstat(state.Place())
	}
	switch {
	case errors.Is(err, fs.ErrNotExist) && state.Parent != "":
		state.Kind = Missing
		return state
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		state.Kind = NoParent
		return state
	case err != nil:
		return state.unreadable(fmt.Errorf("read link %s: %w", path, err))
	}
	owner := info.Sys().(*syscall.Stat_t)
	state.UID, state.GID = int(owner.Uid), int(owner.Gid)
	if info.Mode()&fs.ModeSymlink == 0 {
		state.Kind, state.dir = Blocked, info.IsDir()
		return state
	}
	return readTarget(state)
}

func (s State) unreadable(err error) State {
	s.Kind, s.Err = Unreadable, err
	return s
}

// readTarget resolves as much of a missing target as exists: OPcache may still hold
// scripts under that real path, and they have to be found there.
func readTarget(state State) State {
	literal, err := os.Readlink(state.Place())
	if err != nil {
		return state.unreadable(fmt.Errorf("read link %s: %w", state.Path, err))
	}
	state.Literal = literal
	target := literal
	if !filepath.IsAbs(target) {
		target = filepath.Join(state.Parent, literal)
	}
	real, err := realpath.Of(state.Place())
	switch {
	case err == nil:
		state.Kind, state.Real = Good, real
	case errors.Is(err, fs.ErrNotExist):
		state.Kind, state.Real = Dangling, RealFolder(target)
	default:
		return state.unreadable(fmt.Errorf("follow link %s -> %s: %w", state.Path, literal, err))
	}
	return state
}

// RealFolder is realpath.Of for a path whose last elements may be missing.
func RealFolder(path string) string {
	path, rest := filepath.Clean(path), ""
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

// Place is where a link's name really lies: its folder is resolved, never the link
// itself.
func Place(link string) string {
	return filepath.Join(RealFolder(filepath.Dir(link)), filepath.Base(link))
}

// Within tells whether a path is that of a folder, or of something inside it.
func Within(path, folder string) bool {
	return path == folder || strings.HasPrefix(path, strings.TrimSuffix(folder, "/")+"/")
}

// Overlap tells whether one of two folders holds the other.
func Overlap(a, b string) bool { return Within(a, b) || Within(b, a) }

// Usable says why a link cannot be moved, or nil. It asks the file system only
// whether the folder can be written.
func (s State) Usable() error {
	switch s.Kind {
	case NoParent:
		return hint.With(fmt.Errorf("%s: the folder for the link does not exist", s.Path),
			"create it: mkdir -p %s", hint.Shell(filepath.Dir(s.Path)))
	case Blocked:
		return s.blocked()
	case Unreadable:
		return hint.With(s.Err, "mend or remove the link, or name the other instances with --instance")
	}
	if err := unix.Access(s.Parent, unix.W_OK|unix.X_OK); err != nil {
		return hint.With(fmt.Errorf("%s: cannot change links in %s: %w", s.Path, s.Parent, err),
			"run relink as a user who may write in that folder")
	}
	return nil
}

func (s State) blocked() error {
	if !s.dir {
		return hint.With(fmt.Errorf("%s: is a file, not a symbolic link", s.Path),
			"move the file away; the deploy then creates the link")
	}
	return hint.With(fmt.Errorf("%s: is a folder, not a symbolic link", s.Path),
		"convert it once: mv %[1]s %[2]s && ln -s %[2]s %[1]s; the next deploy takes it from there, and a rollback leads back to it",
		hint.Shell(s.Path), hint.Shell(s.Path+".before-relink"))
}
