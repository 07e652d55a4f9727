package opcache

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"relink/php"
)

// endPoll is how often workers that were told to end are looked for.
const endPoll = 5 * time.Millisecond

var errNoMaster = errors.New("this machine does not show its FPM master")

// mayEnd tells why the workers of a cache cannot be ended one by one, if so.
func (m *memory) mayEnd(ctx context.Context) error {
	if m.master() == 0 {
		return errNoMaster
	}
	return m.eachWorker(ctx, func(w process) error { return php.MayEnd(ctx, m.master(), w.pid) })
}

func (m *memory) eachWorker(ctx context.Context, do func(process) error) error {
	for _, p := range m.pools() {
		workers, _, err := p.look(ctx)
		if err != nil {
			return fmt.Errorf("pool %s: %w", p.address(), err)
		}
		for _, w := range workers {
			if err := do(w); err != nil {
				return fmt.Errorf("pool %s: %w", p.address(), err)
			}
		}
	}
	return nil
}

// EndWorkers has every worker of these pools end with the request that it is in,
// so that what it remembers goes with it. It waits as long as Sweep does for them
// to be gone: busy counts those that have still to answer their request, and that
// take no other. The masters start others in their place, and the caches stay as
// they are.
func (c *Caches) EndWorkers(ctx context.Context, pools []string) (ended, busy int, err error) {
	for _, m := range c.memories() {
		if !m.wanted(pools) {
			continue
		}
		told, left, err := m.endWorkers(ctx, sweepRounds*c.options.SweepWait)
		if ended, busy = ended+told-left, busy+left; err != nil {
			return ended, busy, fmt.Errorf("end the workers of %s: %w", m.name(), err)
		}
	}
	return ended, busy, nil
}

func (m *memory) endWorkers(ctx context.Context, limit time.Duration) (told, left int, err error) {
	var pids []int
	err = m.eachWorker(ctx, func(w process) error {
		err := php.EndWorker(ctx, m.master(), w.pid)
		if err == nil {
			pids = append(pids, w.pid)
			return nil
		}
		still, lookErr := m.still(ctx, []int{w.pid})
		if lookErr == nil && len(still) == 0 { // it has ended by itself
			return nil
		}
		return errors.Join(err, lookErr)
	})
	if err != nil {
		return len(pids), len(pids), err
	}
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		still, err := m.still(ctx, pids)
		if err != nil || len(still) == 0 || bounded.Err() != nil {
			return len(pids), len(still), err
		}
		wait(bounded, endPoll)
	}
}

// still lists those of the pids that are workers of the master.
func (m *memory) still(ctx context.Context, pids []int) ([]int, error) {
	pools, err := php.Workers(ctx, m.master())
	if err != nil {
		return nil, err
	}
	var still []int
	for _, workers := range pools {
		for _, pid := range workers {
			if slices.Contains(pids, pid) {
				still = append(still, pid)
			}
		}
	}
	return still, nil
}
