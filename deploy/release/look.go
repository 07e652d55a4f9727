package release

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"relink/deploy/release/kept"
	"relink/internal/hint"
	"relink/internal/pace"
	"relink/internal/tree"
)

// look walks what is finished once, and all that the seal tells of it comes from there: it
// is made fit to be served (completion; nil for what is fit already), counted into m, and
// in a slot listed.
func (st *Staging) look(ctx context.Context, root *os.Root, m *Manifest, c *completion) error {
	m.Files, m.Inodes, m.Bytes = 0, 0, 0
	var l *listing
	if st.slot != nil {
		l = newListing(st.slot, root, m)
	}
	err := tree.Walk(ctx, root, ".", func(name string, info *tree.Info) (err error) {
		count(m, info)
		touched := false
		if c != nil {
			touched, err = c.visit(name, info)
		}
		if err == nil && l != nil && name != "." {
			err = l.visit(ctx, name, info, touched)
		}
		return err
	}, func(name string, info *tree.Info) error {
		if c == nil {
			return nil
		}
		return c.leave(name, info)
	})
	switch {
	case err != nil:
		return err
	case m.Files == 0:
		return hint.With(fmt.Errorf("%w: it has no file", ErrIncomplete), "look at what the source holds under this name")
	case c != nil:
		err = c.whole()
	}
	if err == nil && l != nil {
		err = l.end(ctx)
	}
	return err
}

func count(m *Manifest, info fs.FileInfo) {
	m.Inodes++
	if info.Mode().IsRegular() {
		m.Files++
		m.Bytes += info.Size()
	}
}

// listing finds what the finished release consists of, and what it differs in from what was
// sealed in the slot before: by content, since a build that makes the same again changes
// nothing.
//
// What is changed twice within a tick of the kernel's clock has the same ctime both times.
// So what was changed just before it was looked at is looked at again, in further rounds:
// whatever happens to a file after that is told by its ctime.
type listing struct {
	*slotStaging
	root   *os.Root
	round  int
	began  time.Time // of the round
	again  []later   // for the next one
	newest time.Time // change of these
	counts *Manifest // of what is there
}

// later is what is looked at again, as it was counted.
type later struct {
	name string
	info fs.FileInfo
}

// rounds are enough: only what is changed meanwhile, by whomever, wants more. Such a file
// is not known to the next turn (kept.List.Knows).
const rounds = 3

func newListing(slot *slotStaging, root *os.Root, counts *Manifest) *listing {
	slot.after = kept.List{Head: kept.Head{App: slot.App, Slot: slot.Slot}, Files: make(map[string]kept.Entry, len(slot.before.Files))}
	return &listing{slotStaging: slot, root: root, round: 1, began: time.Now(), counts: counts}
}

// visit puts what may still change off to the next round.
func (l *listing) visit(ctx context.Context, name string, info fs.FileInfo, touched bool) error {
	e := kept.EntryOf(info)
	changed := time.Unix(0, e.Changed)
	recent := touched || !info.IsDir() && !changed.Before(l.began.Add(-kept.ClockGrain))
	if l.round < rounds && recent {
		if l.before.Files[name].Size == e.Size { // what is the same again gets its time now, not a round later
			if _, retimed, err := l.entryNow(ctx, name, info, e); err == nil && retimed { // of an error the next round tells
				changed = time.Now()
			}
		}
		l.putOff(name, info, changed)
		return nil
	}
	e, retimed, err := l.entryNow(ctx, name, info, e)
	if err == nil && retimed && l.round < rounds {
		l.putOff(name, info, time.Now())
	}
	l.after.Files[name] = e
	return err
}

func (l *listing) putOff(name string, info fs.FileInfo, changed time.Time) {
	l.again = append(l.again, later{name, info})
	if changed.After(l.newest) {
		l.newest = changed
	}
}

// end looks again at what was put off, and then compares.
func (l *listing) end(ctx context.Context) error {
	for len(l.again) > 0 {
		if err := pace.Wait(ctx, min(time.Until(l.newest.Add(2*kept.ClockGrain)), 2*kept.ClockGrain)); err != nil {
			return err
		}
		names := l.again
		l.round, l.began, l.again = l.round+1, time.Now(), nil
		for _, one := range names {
			info, err := l.root.Lstat(one.name)
			switch {
			case errors.Is(err, fs.ErrNotExist): // as if it had gone before the walk came to it
				l.uncount(one)
				continue
			case err == nil:
				err = l.visit(ctx, one.name, info, false)
			}
			if err != nil {
				return err
			}
		}
	}
	l.after.Sealed = l.began
	return l.compare()
}

func (l *listing) uncount(gone later) {
	delete(l.after.Files, gone.name)
	l.counts.Inodes--
	if gone.info.Mode().IsRegular() {
		l.counts.Files--
		l.counts.Bytes -= gone.info.Size()
	}
}

// compare refuses what workers may remember otherwise.
func (l *listing) compare() error {
	l.changes = Changes{Changed: []string{}, Removed: []string{}}
	for name, e := range l.after.Files {
		before, was := l.before.Files[name]
		if !e.Mode.IsDir() {
			l.changes.Files++
		}
		if !e.Mode.IsDir() && !(was && before.SameAs(e)) {
			l.changes.Changed = append(l.changes.Changed, name)
		}
		if err := l.unfit(name, before, e); err != nil {
			return err
		}
	}
	for name, e := range l.found {
		if _, there := l.after.Files[name]; !there && !e.Mode.IsDir() {
			if err := l.unfit(name, l.before.Files[name], kept.Entry{}); err != nil {
				return err
			}
		}
	}
	for name, e := range l.before.Files {
		if _, there := l.after.Files[name]; !there && !e.Mode.IsDir() {
			l.changes.Removed = append(l.changes.Removed, name)
		}
	}
	slices.Sort(l.changes.Changed)
	slices.Sort(l.changes.Removed)
	return nil
}

// entryNow hashes what is not as it came. What is the same as before gets the time that it
// had (retimed): for opcache.validate_timestamps a file is what its time says.
func (l *listing) entryNow(ctx context.Context, name string, info fs.FileInfo, e kept.Entry) (now kept.Entry, retimed bool, err error) {
	if e.Mode.IsDir() {
		e.Made = l.madeBy(name, e)
		return e, false, nil
	}
	e.Sum = l.brought[name].Sum
	if came, brought := l.brought[name]; !brought || !e.IsThe(came) { // somebody has touched it since
		if e.Sum, err = tree.Sum(ctx, l.root, name, info); err != nil {
			return e, false, err
		}
	}
	e.Made = l.madeBy(name, e)
	before, was := l.before.Files[name]
	if !was || !before.SameAs(e) || before.Modified == e.Modified {
		return e, false, nil
	}
	if err = tree.SetTime(l.root, name, time.Unix(0, before.Modified)); err == nil {
		e, err = entryAt(l.root, name, e)
	}
	return e, true, err
}

// madeBy tells whether it is as it came, by content: whoever owns it now.
func (l *listing) madeBy(name string, e kept.Entry) kept.Made {
	came, brought := l.brought[name]
	switch {
	case brought && came.Mode == e.Mode && came.Sum == e.Sum:
		return l.as[name]
	case brought && l.as[name] == kept.Brought && e.Mode.IsRegular() && came.Mode.IsRegular():
		return kept.Altered
	}
	return kept.Built
}
