// Package links tells where symbolic links lead, and which releases they keep in use. The
// kernel bounds what is read of a link to 4 KiB, and a path has 40 links at most.
package links

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"relink/internal/hint"
	"relink/internal/realpath"
	"relink/internal/trust"

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
func Read(path string) State { return NewLook().Read(path) }

// without is the state of a link whose folder cannot be found.
func (s State) without(err error) State {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		s.Kind = NoParent
		return s
	}
	return s.unreadable(fmt.Errorf("read link %s: %w", s.Path, err))
}

// readAt reads a link whose folder is known.
func (l *Look) readAt(state State) State {
	info, err := os.Lstat(state.Place())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		state.Kind = Missing
		return state
	case err != nil:
		return state.without(err)
	}
	owner := info.Sys().(*syscall.Stat_t)
	state.UID, state.GID = int(owner.Uid), int(owner.Gid)
	if info.Mode()&fs.ModeSymlink == 0 {
		state.Kind, state.dir = Blocked, info.IsDir()
		return state
	}
	literal, err := os.Readlink(state.Place())
	if err != nil {
		return state.unreadable(fmt.Errorf("read link %s: %w", state.Path, err))
	}
	state.Literal = literal
	by := way{state.Parent, literal, state.UID}
	end, known := l.behind[by]
	if !known {
		if end = readTarget(state); end.Err == nil && stands(state, end) {
			l.behind[by] = end
		}
	}
	state.Kind, state.Real, state.Err = end.Kind, end.Real, end.Err
	return state
}

// stands tells whether what was found behind a link is what its text says: it may have
// been moved meanwhile, and others have the same text.
func stands(state, end State) bool {
	target := state.Literal
	if !filepath.IsAbs(target) {
		target = filepath.Join(state.Parent, target)
	}
	return RealFolder(target) == end.Real
}

func (s State) unreadable(err error) State {
	s.Kind, s.Err = Unreadable, err
	return s
}

// readTarget resolves as much of a missing target as exists: OPcache may still hold
// scripts under that real path, and they have to be found there.
func readTarget(state State) State {
	target := state.Literal
	if !filepath.IsAbs(target) {
		target = filepath.Join(state.Parent, state.Literal)
	}
	real, err := realpath.Of(state.Place())
	switch {
	case err == nil:
		state.Kind, state.Real = Good, real
	case errors.Is(err, fs.ErrNotExist):
		state.Kind, state.Real = Dangling, RealFolder(target)
	default:
		return state.unreadable(fmt.Errorf("follow link %s -> %s: %w", state.Path, state.Literal, err))
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

// NoneYet tells whether there is none of these links, so that nothing can be stale of them.
func NoneYet(states []State) bool {
	return len(states) > 0 && !slices.ContainsFunc(states, func(s State) bool { return s.Kind != Missing })
}

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
		if errors.Is(s.Err, fs.ErrPermission) {
			return hint.Write(s.Err, filepath.Dir(s.Path))
		}
		return hint.With(s.Err, "mend or remove the link, or name the other instances with --instance")
	}
	if err := unix.Access(s.Parent, unix.W_OK|unix.X_OK); err != nil {
		return hint.Write(fmt.Errorf("%s: cannot change links in %s: %w", s.Path, s.Parent, err), s.Parent)
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

// Step is a symbolic link that the kernel passes on the way to a path.
type Step struct {
	Link   string // its place: no link in the folder that holds it
	Behind string // what the path goes on to say: "" or "public"
}

// Walk lists the symbolic links on the way to path, in their order, as the
// kernel would follow them once the links at the places in moved lead elsewhere. It
// ends where nothing is: at is there then, and missing is what the path goes on to say.
func Walk(path string, moved map[string]string) (steps []Step, at, missing string) {
	queue := names(path)
	at = "/"
	for len(queue) > 0 {
		name := queue[0]
		queue = queue[1:]
		switch name {
		case ".":
			continue
		case "..":
			at = filepath.Dir(at)
			continue
		}
		here := filepath.Join(at, name)
		target, is := moved[here]
		if !is {
			info, err := os.Lstat(here)
			if err == nil && info.Mode()&os.ModeSymlink == 0 {
				at = here
				continue
			}
			if err == nil {
				target, err = os.Readlink(here)
			}
			if err != nil {
				return steps, at, filepath.Join(append([]string{name}, queue...)...)
			}
		}
		steps = append(steps, Step{here, filepath.Join(queue...)})
		if len(steps) > trust.MostLinks {
			return steps, at, filepath.Join(append([]string{name}, queue...)...)
		}
		if filepath.IsAbs(target) {
			at = "/"
		}
		queue = append(names(target), queue...)
	}
	return steps, at, ""
}

func names(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == filepath.Separator })
}

// Follow resolves an absolute path as it will be once the links at the places in
// moved lead elsewhere, and tells which of them it passes. What does not exist is
// left as it is spelled.
func Follow(path string, moved map[string]string) (real string, passed []string) {
	steps, at, missing := Walk(filepath.Clean(path), moved)
	for _, step := range steps {
		if _, is := moved[step.Link]; is {
			passed = append(passed, step.Link)
		}
	}
	return filepath.Join(at, missing), passed
}
