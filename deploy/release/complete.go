package release

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"relink/internal/hint"

	"golang.org/x/sys/unix"
)

// CacheProtection is PHP's default of opcache.file_update_protection, and a second for
// clocks that differ: a file modified less than that ago, or in the future, is not
// cached, silently (ext/opcache/ZendAccelerator.c, persistent_compile_file).
const CacheProtection = 3 * time.Second

// completion makes a staged folder fit to be served, whatever source it came from and
// whatever build hooks made in it, while that is walked once (look).
type completion struct {
	root    *os.Root
	staging string      // the folder's name, which is gone once the release is sealed
	allowed fs.FileMode // what the releases folder grants to group and others
	latest  time.Time
	built   time.Time       // when the build began; zero: there was none
	within  map[string]bool // folders in which a link was replaced
	lfs     bool            // .gitattributes names Git LFS
	pointer string          // a file that is only Git LFS's pointer to it
}

// completion is for the staged folder: links into the staging folder lead into the
// release afterwards; nothing is newer than OPcache takes, but for the release's own
// folder; what only root could read or enter is as the releases folder itself is.
// Pointers of Git LFS in the place of files give ErrIncomplete.
func (st *Staging) completion(root *os.Root) (*completion, error) {
	top, err := root.Stat(".")
	if err != nil {
		return nil, err
	}
	return &completion{
		root: root, staging: st.passing(), allowed: top.Mode().Perm(), latest: time.Now().Add(-CacheProtection), built: st.built, within: map[string]bool{},
	}, nil
}

// whole tells, when all has been visited, whether it is all there.
func (c *completion) whole() error {
	if !c.lfs || c.pointer == "" {
		return nil
	}
	return hint.With(fmt.Errorf("%w: %s is only Git LFS's pointer to the file", ErrIncomplete, c.pointer),
		"install git-lfs, run git lfs install as the user that runs relink, and unset GIT_LFS_SKIP_SMUDGE; an archive has to be made with the files")
}

// passing is the name of a folder that is gone once the release is sealed; "" for a slot.
func (st *Staging) passing() string {
	if st.slot != nil {
		return ""
	}
	return filepath.Base(st.path)
}

// visit tells whether it has touched what it was shown.
func (c *completion) visit(name string, info fs.FileInfo) (touched bool, err error) {
	switch info.Mode().Type() {
	case fs.ModeSymlink:
		return c.leadInside(name, info.Sys().(*syscall.Stat_t))
	case fs.ModeDir:
		return c.open(name, info)
	case 0:
		opened, err := c.open(name, info)
		capped, failed := c.cap(name, info)
		return opened || capped, errors.Join(err, failed, c.lookForLFS(name, info), c.lookForStaging(name, info))
	}
	return false, nil
}

// leadInside makes a link that leads through the staging folder a relative one: the
// build knew no other name ("php artisan storage:link", ln -s "$PWD/...").
func (c *completion) leadInside(name string, owner *syscall.Stat_t) (touched bool, err error) {
	target, err := c.root.Readlink(name)
	if err != nil {
		return false, err
	}
	_, rest, through := strings.Cut(target, "/"+c.staging)
	if c.staging == "" || !through || rest != "" && rest[0] != '/' {
		return false, nil
	}
	relative, err := filepath.Rel(path.Dir(name), path.Clean("./"+rest))
	if err != nil {
		return false, hint.With(fmt.Errorf("%w: the link %s leads to %q", ErrIncomplete, name, target), "have the build hook make a relative link")
	}
	c.within[path.Dir(name)] = true
	if err := errors.Join(c.root.Remove(name), c.root.Symlink(relative, name)); err != nil || os.Geteuid() != 0 {
		return true, err
	}
	return true, c.root.Lchown(name, int(owner.Uid), int(owner.Gid))
}

// open gives what root alone could read the permissions of the releases folder: under
// a umask of 077 PHP, which never runs as root, could not read what a build has made.
// For others nothing is known: they may run PHP themselves.
func (c *completion) open(name string, info fs.FileInfo) (touched bool, err error) {
	owner := info.Sys().(*syscall.Stat_t)
	need := fs.FileMode(0o4)
	if info.IsDir() {
		need = 0o1
	}
	perm := info.Mode().Perm()
	served := perm&need != 0 || owner.Gid != 0 && perm&(need<<3) != 0
	if served || owner.Uid != 0 || os.Geteuid() != 0 {
		return false, nil
	}
	grant := c.allowed & 0o444
	if perm&0o100 != 0 {
		grant = c.allowed & 0o555
	}
	return true, c.root.Chmod(name, info.Mode()&(fs.ModePerm|fs.ModeSetgid)|grant)
}

func (c *completion) cap(name string, info fs.FileInfo) (touched bool, err error) {
	if !info.ModTime().After(c.latest) {
		return false, nil
	}
	return true, c.root.Chtimes(name, time.Time{}, c.latest)
}

// leave is for a folder: what was replaced in it has given it another time.
func (c *completion) leave(name string, info fs.FileInfo) (err error) {
	if c.within[name] {
		if info, err = c.root.Lstat(name); err != nil {
			return err
		}
	}
	_, err = c.cap(name, info)
	return err
}

// mostScript bounds what is read of one script that the build has made.
const mostScript = 4 << 20

// ErrNamesFolder: the build wrote the path of the folder that it ran in, which is none of
// the finished release. In a slot it would be.
var ErrNamesFolder = errors.New("the build wrote the path of the folder that it ran in")

// lookForStaging refuses a script that the build has made and that names the staging
// folder, such as a compiled configuration or container: that path is gone once the
// release is sealed, and every page that needs it would fail. The kernel alone sets the
// time of a change; its clock for files is some milliseconds late.
func (c *completion) lookForStaging(name string, info fs.FileInfo) error {
	changed := time.Unix(info.Sys().(*syscall.Stat_t).Ctim.Unix())
	if c.staging == "" || c.built.IsZero() || path.Ext(name) != ".php" || changed.Before(c.built.Add(-time.Second)) {
		return nil
	}
	text, err := begins(c.root, name, mostScript)
	if err != nil || !bytes.Contains(text, []byte("/"+c.staging)) {
		return err
	}
	return fmt.Errorf("%w, into %s", ErrNamesFolder, name)
}

var lfsAttribute = regexp.MustCompile(`(?m)^[^#\n]*\sfilter=lfs(\s|$)`)

const (
	// lfsPointer begins a pointer, which is of less than mostPointer bytes
	// (git-lfs, docs/spec.md).
	lfsPointer     = "version https://git-lfs.github.com/spec/v1\n"
	mostPointer    = 1024
	mostAttributes = 1 << 20
)

// lookForLFS sees .gitattributes before the files, which are read only if it says so:
// without git-lfs, or with GIT_LFS_SKIP_SMUDGE, a checkout succeeds and delivers little
// text files in the place of images; so do the archives that GitHub offers.
func (c *completion) lookForLFS(name string, info fs.FileInfo) error {
	attributes := path.Base(name) == ".gitattributes"
	if c.lfs && c.pointer == "" && info.Size() < mostPointer || attributes && !c.lfs {
		text, err := begins(c.root, name, mostAttributes)
		c.lfs = c.lfs || attributes && lfsAttribute.Match(text)
		if bytes.HasPrefix(text, []byte(lfsPointer)) {
			c.pointer = name
		}
		return err
	}
	return nil
}

func begins(root *os.Root, name string, most int64) ([]byte, error) {
	file, err := root.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, most))
}
