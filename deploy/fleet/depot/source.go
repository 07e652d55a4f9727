package depot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"relink/deploy/source"
	"relink/internal/hint"
	"relink/internal/tree"
)

// Source is a release of which some host has all, and this one perhaps a part.
type Source struct {
	Depot *Depot
	ID    string // of its list
	Ref   string // as it is called
}

var _ source.Source = (*Source)(nil)

// Resolve gets the list of what it is made of, of which it reads at most 256 MiB.
func (s *Source) Resolve(ctx context.Context, ref string) (r source.Resolved, err error) {
	if err := source.CheckRef(ref); err != nil {
		return r, err
	}
	if ref != s.Ref {
		return r, hint.DidYouMean(fmt.Errorf("ref %s: %w: the fleet's is %s", ref, source.ErrUnknownRef, s.Ref), ref, []string{s.Ref}, source.MostSuggestions, "deploy it from a folder or an archive")
	}
	l, err := s.list(ctx)
	if err != nil {
		return r, fmt.Errorf("list of %s: %w", ref, err)
	}
	return source.Resolved{
		Source: l.Source, Ref: ref, Commit: l.Commit, Label: ref, Description: l.Description, Time: l.Time, Bytes: l.bytes(), Inodes: int64(len(l.Entries)),
		Fetcher: bringing{s, l},
	}, nil
}

func (s *Source) list(ctx context.Context) (l List, err error) {
	if err := ctx.Err(); err != nil {
		return l, err
	}
	if l, err = s.Depot.read(s.ID); !errors.Is(err, fs.ErrNotExist) {
		return l, err
	}
	if err := s.Depot.make(); err != nil {
		return l, err
	}
	err = s.fetch(ctx, func(ctx context.Context, c *client) (err error) {
		l, err = c.list(ctx, s.ID)
		return err
	})
	return l, err
}

// bringing brings a release together.
type bringing struct {
	*Source
	list List
}

// Fetch brings it whole.
func (b bringing) Fetch(ctx context.Context, into string, progress source.Progress) error {
	_, err := b.Update(ctx, into, nothing{}, progress)
	return err
}

// nothing is there.
type nothing struct{}

func (nothing) Base() (source, commit string)  { return "", "" }
func (nothing) Has(string) (source.Held, bool) { return source.Held{}, false }

// Update leaves out what base has. The rest comes from this host where it has the same
// files, and from others else.
func (b bringing) Update(ctx context.Context, into string, base source.Base, progress source.Progress) (keeps func(string) bool, err error) {
	to, err := tree.OpenRoot(into)
	if err != nil {
		return nil, err
	}
	defer to.Close()
	select { // another application may want the same
	case b.Depot.turn <- struct{}{}:
		defer func() { <-b.Depot.turn }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if err := b.Depot.make(); err != nil {
		return nil, err
	}
	p, err := b.Depot.place(b.list, to, base, func(done int64) { progress.Report(done, b.list.bytes()) })
	if err != nil {
		return nil, err
	}
	defer p.close()
	missing, err := p.begin(ctx)
	if err == nil && len(missing) > 0 {
		err = b.get(ctx, missing)
	}
	if err == nil {
		err = p.end(ctx, missing)
	}
	if err == nil {
		err = b.Depot.complete(b.ID)
	}
	return func(name string) bool { return p.stays[name] }, err
}

// get has the depot hold what is missing.
func (b bringing) get(ctx context.Context, missing []int) error {
	left := b.Depot.absent(b.list, missing)
	err := b.fetch(ctx, func(ctx context.Context, c *client) (err error) {
		left, err = c.files(ctx, b.ID, b.list, left)
		return err
	})
	if err != nil {
		err = fmt.Errorf("%d of %d files are missing: %w", len(left), b.list.files(), err)
	}
	return err
}
