package opcache

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"relink/fcgi"
	"relink/internal/config"
	"relink/internal/hint"
	"relink/php"
	"relink/php/apache"
	"relink/php/fpm"
	"relink/php/probe"

	"golang.org/x/sync/errgroup"
)

// Options bound and pace the work, as the configuration says: a zero is a zero.
type Options struct {
	Docroot  string // what the web server serves, relative to the link; "" or "." is the link itself
	Timeouts config.Timeouts
	Warm     config.Warm
	Gently   bool // rest for longer where visitors need the CPUs or the workers
	EndStale bool // have a worker that Settle cannot reach end with its request
}

// ErrNoPool means that there is nothing to talk to.
var ErrNoPool = errors.New("no PHP-FPM pool")

// Caches are the OPcaches behind a set of pools: one for each FPM master.
type Caches struct {
	Options Options
	All     []*Cache
}

// Inventory calls every pool at the same time, and groups the pools by the cache
// that they share. One that does not answer stands for itself, with its error. All of them
// have o.Timeouts.Call for that.
func Inventory(ctx context.Context, pools []php.Pool, o Options, through ...probe.Heard) *Caches {
	ctx, cancel := context.WithTimeout(ctx, o.Timeouts.Call)
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
func Connect(ctx context.Context, pools []php.Pool, o Options, through ...probe.Heard) (*Caches, error) {
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

// configurations asks every pool for PHP's settings, in the order of pools.
func (c *Caches) configurations(ctx context.Context) ([]php.Configuration, error) {
	ctx, cancel := context.WithTimeout(ctx, c.Options.Timeouts.Call)
	defer cancel()
	return Each(ctx, c.pools(), func(ctx context.Context, p *Pool) (php.Configuration, error) { return p.Agent.Configuration(ctx) })
}

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

// Pool is one FastCGI address, or the PHP inside of a web server, and the workers
// behind it.
type Pool struct {
	php.Pool
	Agent  *php.Agent  // which goes through a door where FastCGI brings no answer
	Status php.Status  // as it answered first
	Err    error       // why it did not answer; all else is zero then
	direct *php.Agent  // by FastCGI only
	doors  *knownDoors // nil: there are none
	master int         // pid of the FPM master, or of Apache, where this host can see it, else 0

	last  atomic.Pointer[[]fcgi.Process] // the last listing of its workers
	blind atomic.Bool                    // the pool has no status page
	leads atomic.Pointer[map[int]bool]   // which of the doors lead to it, as far as they have answered
}

// NewPool prepares to ask a pool. Through the doors workers are reached that take no
// call from elsewhere.
func NewPool(at php.Pool, ways *knownDoors) *Pool {
	p := &Pool{Pool: at}
	p.last.Store(&[]fcgi.Process{})
	p.leads.Store(&map[int]bool{})
	if p.direct, p.Err = php.NewAgent(at); p.Err != nil {
		return p
	}
	p.Agent = p.direct
	if ways != nil && !p.InWebServer() {
		p.doors, p.Agent = ways, p.direct.WithDetour(p)
	}
	return p
}

func (p *Pool) Address() string { return p.Pool.String() }
func (p *Pool) name() string    { return "pool " + p.Address() }

// Ask learns which process and which cache answers.
func (p *Pool) Ask(ctx context.Context) error {
	if p.Agent == nil {
		return p.Err
	}
	status, err := p.Agent.Status(ctx)
	if p.Err = err; err != nil {
		return err
	}
	parentOf := fpm.MasterOf
	if p.InWebServer() {
		parentOf = apache.ParentOf
	}
	p.Status, p.master = status, parentOf(ctx, status.Worker.PID, status.Worker.ParentPID)
	return nil
}

func explainHang(err error) error {
	if !errors.Is(err, fcgi.ErrTimeout) {
		return err
	}
	return hint.With(err, "if the site works meanwhile, its workers are pinned by persistent connections, and the probe of no site leads to them: "+
		"set `probe`, take enablereuse=on out of Apache's handler (nginx: fastcgi_keep_conn), or run with --reset=never and know that old code stays until FPM is reloaded")
}
