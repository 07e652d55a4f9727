package restart

import (
	"context"
	"fmt"
	"slices"

	"relink/fcgi"
	"relink/internal/config"
	"relink/internal/links"
	"relink/opcache"
	"relink/opcache/report"
	"relink/php"
)

// FromConfig translates the configuration. known tells the links of an application that
// were moved once.
func FromConfig(c *config.Config, known func(state, app string) ([]string, error)) (Setup, error) {
	s := Setup{
		Setup: opcache.Setup{NoFPM: c.NoPools, State: c.StateDir, Options: opcache.Options{Timeouts: c.Timeouts, Warm: c.Warm, Gently: true, EndStale: c.Stale == config.StaleEnd}},
		Maintenance: Maintenance{Thresholds: c.Thresholds, Method: Method(c.Restart.Method), Restart: Options{WhenQuiet: true, Quiet: c.Restart.Quiet,
			Wait: c.Restart.Wait, Warm: true, Apache: c.Apache.Control, ApacheStatus: c.Apache.Status, Commands: map[string][]string{}}},
	}
	for _, a := range c.Apps {
		dir, _ := AgentDir(c, a.Pools)
		s.Apps = append(s.Apps, opcache.App{App: a, AgentDir: dir, Known: func() ([]string, error) { return known(c.StateDir, a.Name) }})
	}
	for _, one := range c.Pools {
		address, err := fcgi.ParseAddress(one.Address)
		if err != nil {
			return s, err
		}
		s.Pools = append(s.Pools, php.Pool{Address: address, StatusPath: one.StatusPath, AgentDir: one.AgentDir, PathMap: php.PathMap(one.PathMap).Real()})
		if len(one.Command) > 0 {
			s.Restart.Commands[address.String()] = one.Command
		}
	}
	return s, nil
}

// AgentDir is where the agent of an application that these pools serve lies, here
// and as the first of them sees it; without a pool, where that of Apache does.
func AgentDir(c *config.Config, addresses []string) (dir, at string) {
	for _, pool := range c.Pools {
		if len(addresses) == 0 || slices.Contains(addresses, pool.Address) {
			return pool.AgentDir, php.PathMap(pool.PathMap).ToPool(pool.AgentDir)
		}
	}
	return c.Apache.AgentDir, c.Apache.AgentDir
}

// Maintenance is what a deploy, "opcache reset" and the service do about the caches'
// memory: decide for each cache by the same rules, and carry it out.
type Maintenance struct {
	Thresholds config.Thresholds
	Method     Method
	Release    string          // folder that is live: the next release will need as much
	Unused     []string        // folders of releases that nobody uses
	Moved      bool            // links have moved, so that what is preloaded is of the old release
	Always     string          // not "": restart whatever the figures say, for this reason
	Before     []opcache.Usage // an earlier reading, for the hit rate since; may be nil
	Queue      Queue
	Restart    Options
}

// MaintenanceResult tells what was decided, and what became of it.
type MaintenanceResult struct {
	Held      opcache.Footprint `json:"-"` // of the live release in all caches, when it was decided
	Decisions []Order           `json:"decisions"`
	Retired   int               `json:"retired"` // scripts of unused releases, invalidated
	Outcome
}

// Action is the strongest thing that was done, or "pending" if something is.
func (r MaintenanceResult) Action() string {
	if len(r.Pending) > 0 {
		return "pending"
	}
	for _, m := range r.Masters {
		return string(m.Action)
	}
	if r.Retired > 0 {
		return string(Invalidate)
	}
	return string(None)
}

// RestartIfNeeded finishes what is pending, decides for each cache whether it has to be
// restarted and carries that out, one after the other and only while it is quiet; what never is stays
// pending in the ledger.
func RestartIfNeeded(ctx context.Context, c *opcache.Caches, u Maintenance) (MaintenanceResult, error) {
	var result MaintenanceResult
	u.Restart.Unused = slices.Concat(u.Restart.Unused, u.Unused)
	var err error
	if result.Outcome, err = u.Queue.Resume(ctx, c, u.Restart); err != nil {
		return result, err
	}
	result.Decisions, result.Held, err = decideEach(ctx, c, u)
	if err != nil {
		return result, err
	}
	var orders []Order
	for _, one := range result.Decisions {
		switch {
		case one.Action == Invalidate:
			retired, err := c.Retire(ctx, links.OutsideSlots(u.Unused))
			result.Retired += retired.Invalidated
			if err != nil {
				return result, err
			}
		case one.Action.Empties():
			orders = append(orders, one)
		}
	}
	if len(orders) == 0 {
		return result, nil
	}
	u.Restart.Method = u.Method
	carried, err := u.Queue.Run(ctx, c, orders, u.Restart)
	result.Masters = append(result.Masters, carried.Masters...)
	result.Notes = append(result.Notes, carried.Notes...)
	result.Pending = carried.Pending // what Finish could not do either is decided anew
	return result, err
}

// Setup adds what the configuration says of restarts.
type Setup struct {
	opcache.Setup
	Maintenance // how this server is restarted; what is of one application is left out
}

// MaintainEach maintains the caches of each of these applications, since what its next
// release needs is its own; without any, the caches as they are. retire is for releases that
// no link leads to: not while a deploy may be warming one.
func (s Setup) MaintainEach(ctx context.Context, apps []opcache.App, retire bool) (MaintenanceResult, error) {
	if len(apps) == 0 {
		return s.maintain(ctx, nil, retire)
	}
	var all MaintenanceResult
	for i := range apps {
		one, err := s.maintain(ctx, &apps[i], retire)
		all.Decisions = append(all.Decisions, one.Decisions...)
		all.Retired += one.Retired
		all.Masters, all.Pending, all.Notes = append(all.Masters, one.Masters...), append(all.Pending, one.Pending...), append(all.Notes, one.Notes...)
		if err != nil {
			return all, err
		}
	}
	return all, nil
}

func (s Setup) maintain(ctx context.Context, app *opcache.App, retire bool) (MaintenanceResult, error) {
	caches, err := s.Reach(ctx, app)
	if err != nil {
		return MaintenanceResult{}, err
	}
	upkeep := s.Maintenance
	if app != nil {
		upkeep.Release = app.InUse().MostUsed()
	}
	if app != nil && retire {
		upkeep.Unused = app.InUse().Unused()
	}
	return RestartIfNeeded(ctx, caches, upkeep)
}

// decided is of one cache, and what it holds of the live release.
type decided struct {
	Order
	held php.Holding
}

// decideEach tells what the caches hold of the live release, too: a list of what is in them
// keeps a worker for long.
func decideEach(ctx context.Context, c *opcache.Caches, u Maintenance) (orders []Order, live opcache.Footprint, err error) {
	history, err := ReadHistory(u.Queue.Dir)
	if err != nil {
		return nil, live, err
	}
	each, err := opcache.Each(ctx, c.All, func(ctx context.Context, one *opcache.Cache) (decided, error) {
		now, err := c.UsageOf(ctx, one)
		if err != nil {
			return decided{}, err
		}
		held, all, err := c.Holdings(ctx, one.Spaces[0], append([]string{u.Release}, u.Unused...))
		if err != nil {
			return decided{}, err
		}
		weight, err := weigh(ctx, one.Agent(), all)
		if err != nil {
			return decided{}, err
		}
		dead, again := sortUnused(u.Unused, held[1:])
		next := forecastOf(php.Holding{Live: max(held[0].Live-again.Live, 0), LiveBytes: max(held[0].LiveBytes-again.LiveBytes, 0)}, weight)
		if u.Release == "" { // "" would be all
			next = report.Need{}
		}
		decision := Case{
			Now: now.Figures, Next: next, Window: windowOf(u.Before, now),
			DeadBytes: dead.LiveBytes, PreloadChanged: u.Moved && now.Preloaded > 0,
			History: Of(history, now.Pools), Thresholds: u.Thresholds, Method: u.Method, Apache: now.Apache,
		}.Decide()
		if u.Always != "" {
			decision = Decision{u.Method.Action(now.Preloaded > 0, now.Apache), []Reason{{Text: u.Always, Crossed: true}}}
		}
		return decided{Order{Pools: now.Pools, Decision: decision}, held[0]}, nil
	})
	if err != nil {
		return nil, live, fmt.Errorf("decide on a restart: %w", err)
	}
	orders = make([]Order, len(each))
	for i, one := range each {
		orders[i], live = one.Order, live.Plus(one.held)
	}
	return orders, live, nil
}

// sortUnused tells what a cache holds of folders that nobody uses: what is dead, and the
// most that the next release may find there again, in the slot in which it is made.
func sortUnused(folders []string, held []php.Holding) (dead, again php.Holding) {
	for i, folder := range folders {
		if !links.IsSlot(folder) {
			dead = plusLive(dead, held[i:i+1])
		} else if held[i].LiveBytes > again.LiveBytes {
			again = held[i]
		}
	}
	return dead, again
}

// windowOf is the hit rate since an earlier reading of the same cache.
func windowOf(before []opcache.Usage, now opcache.Usage) opcache.Window {
	for _, earlier := range before {
		if len(earlier.Pools) > 0 && len(now.Pools) > 0 && earlier.Pools[0] == now.Pools[0] {
			return now.Since(earlier.Figures)
		}
	}
	return opcache.Window{}
}
