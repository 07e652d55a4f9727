package restart

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"relink/fcgi"
	"relink/internal/pace"
	"relink/opcache"
	"relink/php/fpm"
)

const (
	// endLimit bounds the wait for idle workers. The signal ends their accept(), so
	// that they are gone within milliseconds, but for one that has just begun a
	// long request.
	endLimit = 2 * time.Second
	endPoll  = 5 * time.Millisecond
)

var errNoMaster = errors.New("this machine does not show its FPM master")

// mayEndWorkers tells why the workers of a cache cannot be ended one by one, if so.
func mayEndWorkers(ctx context.Context, m *opcache.Cache) error {
	if m.Master() == 0 {
		return errNoMaster
	}
	workers, err := workersNow(ctx, m)
	for _, pid := range workers {
		err = errors.Join(err, fpm.MayEnd(ctx, m.Master(), pid))
	}
	return err
}

// workersNow lists the workers of the cache's pools by the process table: no call,
// which would wait where all workers are busy. A pool of which no worker is known
// there may be any of the master's.
func workersNow(ctx context.Context, m *opcache.Cache) ([]int, error) {
	pools, err := fpm.Workers(ctx, m.Master())
	if err != nil {
		return nil, err
	}
	var known []int
	for _, p := range m.Pools() {
		own := ownOf(pools, p.LastListing())
		if len(own) == 0 {
			return allOf(pools), nil
		}
		known = append(known, own...)
	}
	return known, nil
}

func ownOf(pools map[string][]int, listed []fcgi.Process) []int {
	for _, pids := range pools {
		if slices.ContainsFunc(listed, func(w fcgi.Process) bool { return slices.Contains(pids, w.PID) }) {
			return pids
		}
	}
	return nil
}

// idleWorkers lists the workers that were in no request when they were listed last.
func idleWorkers(m *opcache.Cache) []int {
	var idle []int
	for _, p := range m.Pools() {
		for _, w := range p.LastListing() {
			if !opcache.InRequest(w) {
				idle = append(idle, w.PID)
			}
		}
	}
	return idle
}

// EndWorkersOf has every worker of these pools end with the request that it is in,
// so that what it remembers goes with it, and waits until the idle ones are gone.
// busy counts those that have still to answer their request, and that take no other.
// The masters start others in their place, and the caches stay as they are.
func EndWorkersOf(ctx context.Context, c *opcache.Caches, pools []string) (ended, busy int, err error) {
	for _, m := range c.All {
		if !m.Wanted(pools) {
			continue
		}
		told, left, err := endWorkersOf(ctx, m)
		if ended, busy = ended+told-left, busy+left; err != nil {
			return ended, busy, fmt.Errorf("end the workers of %s: %w", m.Name(), err)
		}
	}
	return ended, busy, nil
}

func endWorkersOf(ctx context.Context, m *opcache.Cache) (told, left int, err error) {
	workers, err := workersNow(ctx, m)
	if err != nil {
		return 0, 0, err
	}
	idle := idleWorkers(m)
	for _, pid := range workers {
		if err := fpm.EndWorker(ctx, m.Master(), pid); err == nil {
			told++
		} else if still, lookErr := stillWorkers(ctx, m, []int{pid}); lookErr != nil || len(still) > 0 { // else it has ended by itself
			return told, told, errors.Join(err, lookErr)
		}
	}
	bounded, cancel := context.WithTimeout(ctx, endLimit)
	defer cancel()
	for {
		still, err := stillWorkers(ctx, m, workers)
		waits := slices.ContainsFunc(still, func(pid int) bool { return slices.Contains(idle, pid) })
		if err != nil || !waits || bounded.Err() != nil {
			return told, len(still), err
		}
		_ = pace.Wait(bounded, endPoll)
	}
}

// stillWorkers lists those of the pids that are workers of the master.
func stillWorkers(ctx context.Context, m *opcache.Cache, pids []int) ([]int, error) {
	pools, err := fpm.Workers(ctx, m.Master())
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(allOf(pools), func(pid int) bool { return !slices.Contains(pids, pid) }), nil
}

func allOf(pools map[string][]int) []int { return slices.Concat(slices.Collect(maps.Values(pools))...) }
