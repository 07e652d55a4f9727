package opcache

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"relink/fcgi"
	"relink/internal/hint"
	"relink/php"
	"relink/php/apache"
	"relink/php/fpm"
	"relink/php/probe"

	"golang.org/x/sync/errgroup"
)

// ErrNoPool means that there is nothing to talk to.
var ErrNoPool = errors.New("no PHP-FPM pool")

// Caches are the OPcaches behind a set of pools: one for each FPM master.
type Caches struct {
	Options Options
	Spaces  []*KeySpace
}

// KeySpace is the pools that share an OPcache and the keys in it. Any of them can
// be asked about the cache; each has workers of its own.
type KeySpace struct {
	Pools []*Pool
}

func (c *KeySpace) name() string           { return c.Pools[0].Address() }
func (c *KeySpace) OfApache() bool         { return c.Pools[0].InWebServer() }
func (c *KeySpace) Agent() *php.Agent      { return c.Pools[0].Agent }
func (c *KeySpace) paths() php.PathMap     { return c.Agent().Pool().PathMap }
func (c *KeySpace) ToPool(p string) string { return c.paths().ToPool(p) }
func (c *KeySpace) ToHost(p string) string { return c.paths().ToHost(p) }

// Pool is one FastCGI address and the workers behind it.
type Pool struct {
	Agent      *php.Agent // which goes through a door where FastCGI brings no answer
	direct     *php.Agent // by FastCGI only
	doors      *doors     // nil: there are none
	master     int        // pid of the FPM master, or of Apache, where this host can see it, else 0
	cacheStart time.Time  // when its OPcache was started
	worker     php.Worker // that answered first

	mu    sync.Mutex
	last  []Process    // the last listing of its workers
	blind bool         // the pool has no status page
	leads map[int]bool // which of the doors lead to it, as far as they have answered
}

func (p *Pool) Address() string { return p.Agent.Pool().String() }

// InWebServer tells whether only the web server leads to it (mod_php).
func (p *Pool) InWebServer() bool { return p.Agent.Pool().InWebServer() }

// Connect calls every pool, checks that the agent runs there and that OPcache
// is on, and groups the pools by the cache that they share. Through the doors
// workers are reached that take no call from elsewhere.
func Connect(ctx context.Context, pools []php.Pool, o Options, through ...probe.Door) (*Caches, error) {
	if len(pools) == 0 {
		return nil, hint.With(ErrNoPool, "name the pools under `pools:` in the configuration")
	}
	c := &Caches{Options: o}
	reached := make([]*Pool, len(pools))
	ways := newDoors(through)
	errs := make([]error, len(pools))
	var all sync.WaitGroup
	for i, p := range pools {
		all.Go(func() { reached[i], errs[i] = reach(ctx, p, ways, c.Options) })
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	c.Spaces = groupByMaster(reached)
	return c, nil
}

func reach(ctx context.Context, p php.Pool, ways *doors, o Options) (*Pool, error) {
	agent, err := php.NewAgent(p)
	if err != nil {
		return nil, fmt.Errorf("pool %s: %w", p, err)
	}
	ctx, cancel := context.WithTimeout(ctx, o.CallTimeout)
	defer cancel()
	one := &Pool{Agent: agent, direct: agent, blind: p.StatusPath == ""}
	if ways != nil && !one.InWebServer() {
		one.doors, one.Agent = ways, agent.WithDetour(one)
	}
	status, err := one.Agent.Status(ctx)
	if err != nil {
		return nil, fmt.Errorf("pool %s: %w", p, explainHang(err))
	}
	one.learn(ctx, status)
	return one, nil
}

// learn notes which process and which cache answered.
func (p *Pool) learn(ctx context.Context, status php.Status) {
	p.worker, p.cacheStart = status.Worker, status.Statistics.StartTime
	p.master = MasterBehind(ctx, p.Agent.Pool(), p.worker)
}

// MasterBehind is the process whose children the workers of a pool are, or 0.
func MasterBehind(ctx context.Context, pool php.Pool, w php.Worker) int {
	if pool.InWebServer() {
		return apache.ParentOf(ctx, w.PID, w.ParentPID)
	}
	return fpm.MasterOf(ctx, w.PID, w.ParentPID)
}

func explainHang(err error) error {
	if !errors.Is(err, fcgi.ErrTimeout) {
		return err
	}
	return hint.With(err, "if the site works meanwhile, its workers are pinned by persistent connections, and the probe of no site leads to them: "+
		"set `probe`, take enablereuse=on out of Apache's handler (nginx: fastcgi_keep_conn), or run with --reset=never and know that old code stays until FPM is reloaded")
}

// groupByMaster joins pools only where it is sure that they share a cache: the
// same master on this host and the same start. Treating one cache as two costs
// work that is done twice; treating two as one would leave old code in the
// other. Pools that see the files under other paths have keys of their own, and
// so have those in another root where opcache.validate_root tells roots apart
// (zend_accel_hash.c: each key's hash is mixed with the root's inode).
func groupByMaster(pools []*Pool) []*KeySpace {
	var caches []*KeySpace
	for _, p := range pools {
		i := slices.IndexFunc(caches, func(c *KeySpace) bool {
			return c.sameMemory(p) && c.sameRoot(p) && slices.Equal(c.paths(), p.Agent.Pool().PathMap)
		})
		if i >= 0 {
			caches[i].Pools = append(caches[i].Pools, p)
		} else {
			caches = append(caches, &KeySpace{Pools: []*Pool{p}})
		}
	}
	return caches
}

// sameMemory tells whether a pool surely has the memory of this cache.
func (c *KeySpace) sameMemory(p *Pool) bool {
	first := c.Pools[0]
	return p.master != 0 && p.master == first.master && p.cacheStart.Equal(first.cacheStart)
}

func (c *KeySpace) sameRoot(p *Pool) bool {
	return c.Pools[0].worker.Root == p.worker.Root && p.worker.Root != php.UnknownRoot
}

// Firsts lists one cache for each memory, for figures that shall not be
// counted twice.
func (c *Caches) Firsts() []*KeySpace {
	var out []*KeySpace
	for _, one := range c.Spaces {
		if !slices.ContainsFunc(out, func(o *KeySpace) bool { return o.sameMemory(one.Pools[0]) }) {
			out = append(out, one)
		}
	}
	return out
}

// Threaded names the PHPs that run in threads of their web server.
func (c *Caches) Threaded() []string {
	var all []string
	for _, p := range c.pools() {
		if p.Agent.Pool().Threads {
			all = append(all, p.Address())
		}
	}
	return all
}

// pools lists every pool of every cache.
func (c *Caches) pools() []*Pool {
	var all []*Pool
	for _, one := range c.Spaces {
		all = append(all, one.Pools...)
	}
	return all
}

// eachPool runs f for all pools at the same time and awaits them.
func (c *Caches) eachPool(ctx context.Context, f func(context.Context, *Pool) error) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, p := range c.pools() {
		group.Go(func() error {
			if err := f(ctx, p); err != nil {
				return fmt.Errorf("pool %s: %w", p.Address(), err)
			}
			return nil
		})
	}
	return group.Wait()
}

// EachCache runs f for all caches at the same time and awaits them.
func (c *Caches) EachCache(ctx context.Context, f func(ctx context.Context, i int, one *KeySpace) error) error {
	return Each(ctx, c.Spaces, f)
}

func Each(ctx context.Context, caches []*KeySpace, f func(ctx context.Context, i int, one *KeySpace) error) error {
	group, ctx := errgroup.WithContext(ctx)
	for i, one := range caches {
		group.Go(func() error {
			if err := f(ctx, i, one); err != nil {
				return fmt.Errorf("OPcache of %s: %w", one.name(), err)
			}
			return nil
		})
	}
	return group.Wait()
}
