package depot

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"

	"relink/deploy/source"
	"relink/internal/tree"

	"golang.org/x/sys/unix"
)

// placing makes a release of a list.
type placing struct {
	list  List
	to    *os.Root
	base  source.Base
	depot *os.Root
	near  []*os.Root // releases on this host
	stays map[string]bool
	done  int64
	tell  func(done int64)
}

func (d *Depot) place(l List, to *os.Root, base source.Base, tell func(int64)) (p *placing, err error) {
	p = &placing{list: l, to: to, base: base, stays: map[string]bool{}, tell: tell}
	if p.depot, err = tree.OpenRoot(d.dir); err == nil {
		p.near, err = d.near()
	}
	if err != nil {
		p.close()
	}
	return p, err
}

func (p *placing) close() {
	for _, root := range append(p.near, p.depot) {
		if root != nil {
			root.Close()
		}
	}
}

// near opens the releases on this host that may hold the same files.
func (d *Depot) near() (roots []*os.Root, err error) {
	folders, err := d.folders()
	for _, folder := range folders {
		root, failed := tree.OpenRoot(folder)
		if failed == nil {
			roots = append(roots, root)
		} else if !errors.Is(failed, fs.ErrNotExist) {
			err = errors.Join(err, failed)
		}
	}
	return roots, err
}

// begin puts what this host has in its place, and tells what it does not have.
func (p *placing) begin(ctx context.Context) (missing []int, err error) {
	for n, e := range p.list.Entries {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		switch e.Mode.Type() {
		case fs.ModeDir:
			err = p.to.Mkdir(e.Name, 0o700)
		case 0:
			var there bool
			if there, err = p.file(ctx, e); err == nil && !there {
				missing = append(missing, n)
			}
		}
		if err != nil {
			return nil, err
		}
	}
	return missing, nil
}

// file tells whether it stays as it is in base, or has come from this host.
func (p *placing) file(ctx context.Context, e Entry) (there bool, err error) {
	if held, is := p.base.Has(e.Name); is && held.Mode == e.Mode && held.Size == e.Size && held.Sum == e.Sum {
		p.stays[e.Name], there = true, true
	}
	if !there {
		there, err = p.copy(ctx, p.depot, path.Join(filesDir, e.hex()), e)
	}
	for _, root := range p.near {
		if there || err != nil {
			break
		}
		there, err = p.copy(ctx, root, e.Name, e)
	}
	if there && err == nil {
		p.told(e.Size)
	}
	return there, err
}

func (p *placing) told(bytes int64) {
	p.done += bytes
	p.tell(p.done)
}

// copy copies what lies there if it holds what the list says.
func (p *placing) copy(ctx context.Context, from *os.Root, at string, e Entry) (held bool, err error) {
	info, err := from.Lstat(at)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENOTDIR):
		return false, nil
	case err != nil:
		return false, err
	case !info.Mode().IsRegular() || info.Size() != e.Size:
		return false, nil
	}
	out, err := p.to.OpenFile(e.Name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return false, err
	}
	sum := sha256.New()
	err = tree.Read(ctx, from, at, info, io.MultiWriter(out, sum))
	held = err == nil && string(sum.Sum(nil)) == e.Sum
	if errors.Is(err, tree.ErrChanged) || errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if held {
		err = errors.Join(out.Chmod(e.Mode.Perm()), tree.SetTimeOf(out, e.Time), out.Close())
	} else {
		err = errors.Join(err, out.Close(), p.to.Remove(e.Name))
	}
	return held, err
}

// errGone: what was there, or has come, is not as it was.
var errGone = errors.New("has changed in the depot since it came")

// end puts what has come in its place too, makes the links, and gives folders what they are
// to have.
func (p *placing) end(ctx context.Context, came []int) error {
	for _, n := range came {
		e := p.list.Entries[n]
		there, err := p.copy(ctx, p.depot, path.Join(filesDir, e.hex()), e)
		if err == nil && !there {
			err = fmt.Errorf("%s: %w", e.Name, errGone)
		}
		if err != nil {
			return err
		}
		p.told(e.Size)
	}
	for _, e := range p.list.Entries {
		if e.Mode.Type() != fs.ModeSymlink {
			continue
		}
		if err := errors.Join(p.to.Symlink(e.Sum, e.Name), tree.SetTime(p.to, e.Name, e.Time)); err != nil {
			return err
		}
	}
	for _, e := range slices.Backward(p.list.Entries) {
		if !e.Mode.IsDir() {
			continue
		}
		if err := tree.Finish(p.to, e.Name, e.Mode.Perm(), e.Time); err != nil {
			return err
		}
	}
	return ctx.Err()
}
