package restart

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"relink/internal/exit"
	"relink/internal/hint"
	"relink/opcache"

	"github.com/gofrs/flock"
	"golang.org/x/sys/unix"
)

// ErrRestarting means that another relink restarts caches at this moment.
var ErrRestarting = exit.As(exit.ErrLocked, errors.New("another relink is restarting a cache"))

// ErrDeploying means that an application is being deployed, whose caches must stay as
// that deploy has warmed them.
var ErrDeploying = exit.As(exit.ErrLocked, errors.New("an application is being deployed"))

// errEnded is why an order is still pending that its command had noted.
var errEnded = errors.New("the command that was to do it has ended before")

// lockFile keeps two relinks from restarting caches at the same time.
const lockFile = "restart.lock"

// Queue is where restarts are remembered.
type Queue struct {
	Dir string // the state folder
	By  string // user who restarts

	Deploy string // application whose deploy this is part of, and which is locked for that
	Switch bool   // part of that deploy's switch, which waits for nobody
}

// Order is what was decided for the cache of these pools.
type Order struct {
	Pools []string `json:"pools"` // addresses of those that share the cache
	Decision
}

// About tells whether it is about the cache of one of these pools.
func (o Order) About(pools []string) bool { return opcache.SamePools(o.Pools, pools) }

// Outcome tells what became of orders and of pending restarts.
type Outcome struct {
	Masters []MasterRestart `json:"masters"` // in the order in which they were restarted
	Pending []Pending       `json:"pending"` // put off until it is quiet
	Notes   []string        `json:"notes"`
}

// Run executes restarts one after the other, and remembers them: what
// was done in the history, what could not be done for want of a quiet moment as
// pending, which is no error.
func (l Queue) Run(ctx context.Context, c *opcache.Caches, orders []Order, o Options) (Outcome, error) {
	var out Outcome
	err := l.locked(func() error {
		usages, err := c.Usage(ctx)
		if err != nil {
			return err
		}
		wanted := pendingFor(orders, usages)
		err = l.exclusive(func() error {
			for _, want := range wanted {
				if err := l.run(ctx, c, want, o, &out); err != nil {
					return err
				}
			}
			return nil
		})
		if errors.Is(err, ErrDeploying) {
			return l.putOff(wanted, err, &out)
		}
		return err
	})
	return out, err
}

// putOff leaves restarts pending that cannot be done now.
func (l Queue) putOff(wanted []Pending, why error, out *Outcome) error {
	for _, want := range wanted {
		want.Last = why.Error()
		noted, err := addPending(l.Dir, want)
		if err != nil {
			return err
		}
		out.Pending = append(out.Pending, noted)
	}
	return nil
}

// Add notes orders that are about to be carried out as pending, so that somebody
// else does it should this process die before. What it returns takes that back, and
// leaves what was pending before.
func (l Queue) Add(ctx context.Context, c *opcache.Caches, orders []Order) (unexpect func() error, err error) {
	usages, err := c.Usage(ctx)
	if err != nil {
		return nil, err
	}
	var before []Pending
	noted := pendingFor(orders, usages)
	err = l.locked(func() error {
		if before, err = ReadPending(l.Dir); err != nil {
			return err
		}
		return l.putOff(noted, errEnded, &Outcome{})
	})
	if err != nil {
		return nil, err
	}
	return func() error { return l.locked(func() error { return restorePending(l.Dir, noted, before) }) }, nil
}

// pendingFor builds a Pending for each order whose cache is among usages.
func pendingFor(orders []Order, usages []opcache.Usage) []Pending {
	var all []Pending
	for _, order := range orders {
		i := slices.IndexFunc(usages, func(u opcache.Usage) bool { return order.About(u.Pools) })
		if i < 0 || !order.Action.Empties() {
			continue
		}
		order.Pools = usages[i].Pools
		all = append(all, Pending{Order: order, Since: time.Now().UTC().Truncate(time.Second), Started: usages[i].Started, Restarts: usages[i].Restarts})
	}
	return all
}

// Resume does the pending restarts of these caches whose moment is quiet now,
// and drops those of caches that somebody else has restarted since.
func (l Queue) Resume(ctx context.Context, c *opcache.Caches, o Options) (Outcome, error) {
	var out Outcome
	if all, err := ReadPending(l.Dir); err != nil || len(all) == 0 {
		return out, err
	}
	err := l.locked(func() error { return l.exclusive(func() error { return l.resumeAll(ctx, c, o, &out) }) })
	if errors.Is(err, ErrDeploying) { // they stay pending
		out.Notes, err = append(out.Notes, "the pending restart waits: "+err.Error()), nil
	}
	return out, err
}

func (l Queue) resumeAll(ctx context.Context, c *opcache.Caches, o Options, out *Outcome) error {
	all, err := ReadPending(l.Dir)
	if err != nil {
		return err
	}
	usages, err := c.Usage(ctx)
	if err != nil {
		return err
	}
	o.WhenQuiet = false
	for _, p := range all {
		i := slices.IndexFunc(usages, func(u opcache.Usage) bool { return p.About(u.Pools) })
		switch {
		case i < 0: // a cache of somebody else's
		case p.settledBy(usages[i]):
			out.Notes = append(out.Notes, fmt.Sprintf("the restart of %s that was pending since %s is not needed any more: the cache was started at %s",
				p.Pools[0], p.Since.Format("2006-01-02 15:04"), usages[i].Started.Format("15:04:05")))
			err = ClearPending(l.Dir, p.Pools)
		default:
			o.Since = p.Since
			err = l.run(ctx, c, p, o, out)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// run does one restart and remembers what became of it.
func (l Queue) run(ctx context.Context, c *opcache.Caches, want Pending, o Options, out *Outcome) error {
	o.Only, o.Method = want.Pools, o.Method.toDo(want.Decision)
	restarted, err := Now(ctx, c, o)
	out.Masters = append(out.Masters, restarted...)
	if err == nil {
		for _, done := range restarted {
			err = errors.Join(l.Remember(want.Order, done, nil), ClearPending(l.Dir, want.Pools))
		}
		return err
	}
	// One that has begun and failed stays pending too: its command may have done
	// nothing. If it did restart the cache, the next look finds it settled.
	told := want.Failed
	want.Last, want.Failed = err.Error(), told || len(restarted) > 0
	noted, addErr := addPending(l.Dir, want)
	if addErr == nil && want.Failed && !told {
		addErr = l.Remember(want.Order, restarted[0], err)
	}
	if addErr != nil || !errors.Is(err, ErrNotQuiet) {
		return errors.Join(err, addErr)
	}
	out.Pending = append(out.Pending, noted)
	return nil
}

// Remember writes a line of history.
func (l Queue) Remember(want Order, done MasterRestart, failed error) error {
	want.Action = done.Action
	line := Record{Time: done.Time.UTC().Truncate(time.Millisecond), By: l.By, Order: want,
		Before: done.Before, After: done.After, TookMS: done.Took.Milliseconds(), Warmed: done.Warm.Scripts}
	if failed != nil {
		line.Failed = failed.Error()
	}
	return AppendHistory(l.Dir, line)
}

func (l Queue) locked(do func() error) error {
	lock := flock.New(filepath.Join(l.Dir, lockFile), flock.SetFlag(os.O_CREATE|os.O_RDONLY|unix.O_NOFOLLOW), flock.SetPermissions(0o640))
	got, err := lock.TryLock()
	if err != nil {
		return fmt.Errorf("lock restarts: %w", err)
	}
	if !got {
		return hint.With(fmt.Errorf("%w (%s is locked)", ErrRestarting, lock.Path()), "run the command again in a moment")
	}
	return errors.Join(do(), lock.Unlock())
}

// exclusive does what no deploy of another application may see half of, with the
// locks of all of them held; one that begins meanwhile waits (lock.Acquire).
func (l Queue) exclusive(do func() error) error {
	if l.Switch {
		return do()
	}
	entries, err := os.ReadDir(l.Dir)
	if err != nil {
		return fmt.Errorf("lock applications: %w", err)
	}
	for _, entry := range entries {
		app, is := strings.CutSuffix(entry.Name(), ".lock")
		if !is || entry.Name() == lockFile || app == l.Deploy {
			continue
		}
		path := filepath.Join(l.Dir, entry.Name())
		lock := flock.New(path, flock.SetFlag(os.O_RDONLY|unix.O_NOFOLLOW))
		got, err := lock.TryRLock()
		if err != nil {
			return fmt.Errorf("lock %s: %w", path, err)
		}
		if !got {
			return hint.With(fmt.Errorf("%w: %s (%s is locked)", ErrDeploying, app, path), "run the command again when that deploy has ended")
		}
		defer lock.Close()
	}
	return do()
}
