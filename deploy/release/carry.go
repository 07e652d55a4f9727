package release

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"relink/internal/durable"

	"golang.org/x/sys/unix"
)

// Bounds of what is looked at in one folder of assets.
const (
	maxAssets     = 200_000
	maxAssetDepth = 40
)

// tree is a release by descriptor. Folders in it are opened element by element
// and never through a link: what lies in a release is the application's, and
// relink often runs as root.
type tree struct {
	root   *os.File
	folder *os.File // the last one that was opened
	name   string   // of folder, relative
}

func openTree(dir string) (*tree, error) {
	root, err := openFolder(unix.AT_FDCWD, dir)
	if err != nil {
		return nil, err
	}
	return &tree{root: root}, nil
}

func (t *tree) close() {
	t.forget()
	t.root.Close()
}

func (t *tree) forget() {
	if t.folder != nil {
		t.folder.Close()
	}
	t.folder = nil
}

func openFolder(at int, name string) (*os.File, error) {
	fd, err := unix.Openat(at, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return os.NewFile(uintptr(fd), name), nil
}

// open gives a folder of the tree. make is called for one that does not exist.
func (t *tree) open(name string, make func(at int, element, whole string) error) (*os.File, error) {
	if t.folder != nil && t.name == name {
		return t.folder, nil
	}
	at, err := openFolder(int(t.root.Fd()), ".")
	if err != nil {
		return nil, err
	}
	whole := ""
	for _, element := range strings.Split(path.Clean(name), "/") {
		whole = path.Join(whole, element)
		next, err := openFolder(int(at.Fd()), element)
		if errors.Is(err, fs.ErrNotExist) && make != nil {
			if err = make(int(at.Fd()), element, whole); err == nil {
				next, err = openFolder(int(at.Fd()), element)
			}
		}
		at.Close()
		if err != nil {
			return nil, err
		}
		at = next
	}
	t.forget()
	t.folder, t.name = at, name
	return at, nil
}

// unusable is a folder that is not there, or is something else: a link (ELOOP or
// ENOTDIR), such as a shared entry, or a file.
func unusable(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENOTDIR)
}

// listAssets lists the assets below a folder of the release, by their path in it.
func listAssets(ctx context.Context, release, folder string) ([]string, error) {
	t, err := openTree(release)
	if err != nil {
		return nil, err
	}
	defer t.close()
	top, err := t.open(folder, nil)
	if unusable(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var found []string
	return found, listBelow(ctx, top, path.Clean(folder), 0, &found)
}

func listBelow(ctx context.Context, dir *os.File, name string, depth int, found *[]string) error {
	entries, err := dir.ReadDir(-1)
	if err = errors.Join(err, ctx.Err()); err != nil {
		return err
	}
	for _, entry := range entries {
		below := path.Join(name, entry.Name())
		if entry.Type().IsRegular() && isAsset(below) {
			*found = append(*found, below)
		}
		if len(*found) > maxAssets || depth > maxAssetDepth {
			return fmt.Errorf("%s: more than %d files or %d folders deep", name, maxAssets, maxAssetDepth)
		}
		if !entry.IsDir() || strings.HasPrefix(entry.Name(), ".") {
			continue
		}
		inner, err := openFolder(int(dir.Fd()), entry.Name())
		if err == nil {
			err = errors.Join(listBelow(ctx, inner, below, depth+1, found), inner.Close())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// carry links the files of one release into the other, where that has nothing of
// the name. A file that is gone or whose folder cannot be had is left out.
func carry(ctx context.Context, from, to string, files []string) (links int, err error) {
	source, err := openTree(from)
	if err != nil {
		return 0, err
	}
	defer source.close()
	target, err := openTree(to)
	if err != nil {
		return 0, err
	}
	defer target.close()
	for _, file := range files {
		if err := ctx.Err(); err != nil {
			return links, err
		}
		done, err := carryFile(source, target, file)
		if err != nil {
			return links, fmt.Errorf("%s: %w", file, err)
		}
		if done {
			links++
		}
	}
	if links > 0 {
		err = durable.SyncFileSystem(to)
	}
	return links, err
}

func carryFile(source, target *tree, file string) (bool, error) {
	from, err := source.open(path.Dir(file), nil)
	if unusable(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	into, err := target.open(path.Dir(file), source.makeAlike)
	if unusable(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	name := path.Base(file)
	var there, linked unix.Stat_t
	if unix.Fstatat(int(into.Fd()), name, &there, unix.AT_SYMLINK_NOFOLLOW) == nil {
		return false, nil
	}
	err = unix.Linkat(int(from.Fd()), name, int(into.Fd()), name, 0)
	switch {
	case errors.Is(err, unix.EEXIST), errors.Is(err, unix.ENOENT):
		return false, nil
	case errors.Is(err, unix.EMLINK), errors.Is(err, unix.EPERM), errors.Is(err, unix.EXDEV):
		return copyInto(from, into, name)
	case err != nil:
		return false, err
	}
	// Only now is it known what was linked: a link or a device goes again.
	if err := unix.Fstatat(int(into.Fd()), name, &linked, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return false, err
	}
	if linked.Mode&unix.S_IFMT != unix.S_IFREG || linked.Mode&(unix.S_ISUID|unix.S_ISGID) != 0 {
		return false, unix.Unlinkat(int(into.Fd()), name, 0)
	}
	return true, nil
}

// makeAlike makes a folder as this tree has it.
func (t *tree) makeAlike(at int, element, whole string) error {
	var own unix.Stat_t
	if err := unix.Fstatat(int(t.root.Fd()), whole, &own, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	if err := unix.Mkdirat(at, element, 0o700); err != nil && !errors.Is(err, unix.EEXIST) {
		return err
	}
	made, err := openFolder(at, element)
	if err != nil {
		return err
	}
	defer made.Close()
	if os.Geteuid() == 0 {
		if err := made.Chown(int(own.Uid), int(own.Gid)); err != nil {
			return err
		}
	}
	return unix.Fchmod(int(made.Fd()), own.Mode&(0o777|unix.S_ISGID))
}

// copyInto stands in where a file has too many names already, or where the kernel
// protects the files of others from hard links (fs.protected_hardlinks).
func copyInto(from, into *os.File, name string) (done bool, err error) {
	fd, err := unix.Openat(int(from.Fd()), name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if unusable(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	content := os.NewFile(uintptr(fd), name)
	defer content.Close()
	info, err := content.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return false, err
	}
	temporary, err := temporaryIn(into, content, info)
	if err != nil {
		return false, err
	}
	err = unix.Linkat(int(into.Fd()), temporary, int(into.Fd()), name, 0)
	if errors.Is(err, unix.EEXIST) {
		err = nil
	} else {
		done = err == nil
	}
	return done, errors.Join(err, unix.Unlinkat(int(into.Fd()), temporary, 0))
}

// temporaryIn copies under a hidden name, so that nobody is served half a file.
func temporaryIn(into *os.File, content io.Reader, info fs.FileInfo) (name string, err error) {
	var random [8]byte
	rand.Read(random[:]) // never fails since Go 1.24
	name = ".relink-" + hex.EncodeToString(random[:])
	fd, err := unix.Openat(int(into.Fd()), name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return "", err
	}
	file := os.NewFile(uintptr(fd), name)
	_, err = io.Copy(file, io.LimitReader(content, info.Size()))
	if err == nil {
		err = file.Chmod(info.Mode().Perm())
	}
	if err = errors.Join(err, file.Close()); err != nil {
		err = errors.Join(err, unix.Unlinkat(int(into.Fd()), name, 0))
	}
	return name, err
}
