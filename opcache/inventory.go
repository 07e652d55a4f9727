package opcache

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"relink/internal/hint"
	"relink/php"
	"relink/php/probe"

	"golang.org/x/sync/errgroup"
)

// ErrNoPool means that there is nothing to talk to.
var ErrNoPool = errors.New("no PHP-FPM pool")

// Caches are the OPcaches behind a set of pools: one for each FPM master.
type Caches struct {
	Options Options
	All     []*Cache
}

// Inventory calls every pool at the same time, and groups the pools by the cache
// that they share. One that does not answer stands for itself, with its error.
func Inventory(ctx context.Context, pools []php.Pool, o Options, through ...probe.Door) *Caches {
	ctx, cancel := context.WithTimeout(ctx, o.CallTimeout)
	defer cancel()
	asked := make([]*Pool, len(pools))
	ways := newDoors(through)
	var all sync.WaitGroup
	for i, p := range pools {
		all.Go(func() {
			asked[i] = NewPool(p, ways)
			_ = asked[i].Ask(ctx) // which is kept as its Err
		})
	}
	all.Wait()
	return &Caches{Options: o, All: Group(asked)}
}

// Connect is Inventory for work that needs every pool: the agent has to run there,
// and OPcache to be on.
func Connect(ctx context.Context, pools []php.Pool, o Options, through ...probe.Door) (*Caches, error) {
	if len(pools) == 0 {
		return nil, hint.With(ErrNoPool, "name the pools under `pools:` in the configuration")
	}
	c := Inventory(ctx, pools, o, through...)
	var errs []error
	for _, p := range c.pools() {
		if p.Err != nil {
			errs = append(errs, fmt.Errorf("pool %s: %w", p.Address(), explainHang(p.Err)))
		}
	}
	if errs != nil {
		return nil, errors.Join(errs...)
	}
	return c, nil
}

// Group joins pools only where it is sure that they share a cache: the same master
// on this host and the same start. Treating one cache as two costs work that is done
// twice; treating two as one would leave old code in the other.
func Group(pools []*Pool) []*Cache {
	var caches []*Cache
	for _, p := range pools {
		i := slices.IndexFunc(caches, func(c *Cache) bool { return c.holds(p) })
		if i < 0 {
			i, caches = len(caches), append(caches, &Cache{})
		}
		caches[i].add(p)
	}
	return caches
}

// Threaded names the PHPs that run in threads of their web server.
func (c *Caches) Threaded() []string {
	var all []string
	for _, p := range c.pools() {
		if p.Threads {
			all = append(all, p.Address())
		}
	}
	return all
}

// pools lists every pool of every cache.
func (c *Caches) pools() []*Pool { return flat(c.All, (*Cache).Pools) }

// Spaces lists the key spaces of all caches.
func (c *Caches) Spaces() []*KeySpace {
	return flat(c.All, func(m *Cache) []*KeySpace { return m.Spaces })
}

func flat[T, R any](all []T, of func(T) []R) []R {
	var out []R
	for _, one := range all {
		out = append(out, of(one)...)
	}
	return out
}

// Each runs f for all caches, or what else has a name, at the same time and awaits
// them. It gives what each has come to, also where it has failed.
func Each[T interface{ name() string }, R any](ctx context.Context, all []T, f func(ctx context.Context, one T) (R, error)) ([]R, error) {
	results := make([]R, len(all))
	group, ctx := errgroup.WithContext(ctx)
	for i, one := range all {
		group.Go(func() (err error) {
			if results[i], err = f(ctx, one); err != nil {
				return fmt.Errorf("%s: %w", one.name(), err)
			}
			return nil
		})
	}
	return results, group.Wait()
}
