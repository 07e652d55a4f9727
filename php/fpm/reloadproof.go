package fpm

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"relink/internal/pace"
	"relink/internal/proc"
	"relink/php"

	"github.com/shirou/gopsutil/v3/process"
)

const (
	proofPoll = 20 * time.Millisecond
	// proofCall bounds one call of the proof. During the reload the calls wait
	// in the backlog of a socket that may never be served again.
	proofCall = 2 * time.Second
	// goneWait is how long a master may be missing before it counts as dead: a
	// command or systemd may start a new one.
	goneWait = 3 * time.Second
	// proofFirst bounds the first call of a pool, before the reload.
	proofFirst = 10 * time.Second
)

// proof compares a master and its pools with what they were before a reload.
type proof struct {
	before, now Master
	old         map[int]int64 // start times of the old workers by pid
	pools       []*poolProof
	others      []php.Pool // pools of the master that need only answer
	asked       time.Time

	log     string // FPM's error log as this machine sees it; "" if it cannot be read
	logFrom int64
	gone    time.Time // since when no master has been seen
}

// poolProof is one pool that has to answer from a new OPcache.
type poolProof struct {
	agent   *php.Agent
	start   time.Time // of the old OPcache; zero where the pool does not use it
	settled bool
}

var (
	errEnded  = errors.New("the master has ended")
	errStarts = errors.New("the master runs its binary again, and is not ready yet")
)

// newProof takes all that the reload will change. named are the pools to prove,
// configured those that FPM's configuration tells.
func newProof(ctx context.Context, m Master, configured, named []php.Pool) (*proof, error) {
	p := &proof{before: m, now: m, old: map[int]int64{}}
	if m.PID != 0 {
		var err error
		if p.old, err = workerStarts(ctx, m.PID); err != nil {
			return nil, err
		}
	}
	for _, pool := range named {
		one, err := newPoolProof(ctx, pool)
		if err != nil {
			return nil, err
		}
		p.pools = append(p.pools, one)
	}
	if len(p.old) == 0 && len(p.pools) == 0 {
		return nil, errors.New("the master has no worker and no pool is named, so that nothing could prove the reload")
	}
	p.others = otherPools(ctx, configured, named)
	p.watchLog(m)
	p.asked = time.Now()
	return p, nil
}

func newPoolProof(ctx context.Context, pool php.Pool) (*poolProof, error) {
	ctx, cancel := context.WithTimeout(ctx, proofFirst)
	defer cancel()
	agent, err := php.NewAgent(pool)
	if err != nil {
		return &poolProof{}, err
	}
	status, err := agent.Status(ctx)
	if err != nil && !errors.Is(err, php.ErrOPcacheOff) {
		return &poolProof{}, fmt.Errorf("pool %s: %w", pool.Address, err)
	}
	return &poolProof{agent: agent, start: status.Statistics.StartTime}, nil
}

// otherPools lists the configured pools beside those named that answer now: one
// that is down before the reload is not the reload's doing.
func otherPools(ctx context.Context, configured, named []php.Pool) []php.Pool {
	return slices.DeleteFunc(slices.Clone(configured), func(pool php.Pool) bool {
		return slices.ContainsFunc(named, func(n php.Pool) bool { return n.Address == pool.Address }) || answers(ctx, pool) != nil
	})
}

// cacheStart is when the pools' OPcache was started, zero if none of them has one.
func cacheStart(ctx context.Context, pools []php.Pool) (time.Time, error) {
	for _, pool := range pools {
		one, err := newPoolProof(ctx, pool)
		if err != nil || !one.start.IsZero() {
			return one.start, err
		}
	}
	return time.Time{}, nil
}

func workerStarts(ctx context.Context, master int) (map[int]int64, error) {
	pools, err := Workers(ctx, master)
	if err != nil {
		return nil, err
	}
	starts := map[int]int64{}
	for _, pids := range pools {
		for _, pid := range pids {
			if start, err := proc.Of(pid).CreateTimeWithContext(ctx); err == nil { // else it has ended
				starts[pid] = start
			}
		}
	}
	return starts, nil
}

// await polls until all is proven, the master is dead, or ctx ends.
func (p *proof) await(ctx context.Context) error {
	var missing error
	for {
		now := p.missing(ctx)
		if now == nil {
			return nil
		}
		if missing == nil || ctx.Err() == nil { // the end of ctx explains nothing
			missing = now
		}
		if !p.gone.IsZero() && time.Since(p.gone) > goneWait {
			return p.notBack(ctx, missing)
		}
		if pace.Wait(ctx, proofPoll) != nil {
			return p.notBack(ctx, missing)
		}
	}
}

// missing names the first thing that is not proven yet.
func (p *proof) missing(ctx context.Context) error {
	if err := p.findMaster(ctx); err != nil {
		return err
	}
	if err := p.newWorkers(ctx); err != nil {
		return err
	}
	for _, pool := range p.pools {
		if err := p.newCache(ctx, pool); err != nil {
			return err
		}
	}
	for len(p.others) > 0 {
		if err := answers(ctx, p.others[0]); err != nil {
			return fmt.Errorf("pool %s does not answer: %w", p.others[0].Address, err)
		}
		p.others = p.others[1:]
	}
	return p.newWorkers(ctx) // again, for workers that were not ready before
}

// starts tells whether the process of the master is still there: on a busy machine
// it takes seconds from the exec until it bears its title again.
func (p *proof) starts(ctx context.Context) bool {
	state, err := proc.Of(p.before.PID).StatusWithContext(ctx)
	return err == nil && !slices.Contains(state, process.Zombie)
}

// findMaster finds the master as it is now. FPM runs its binary again under the
// same pid; as a daemon it forks once more, and a command may start a new one.
func (p *proof) findMaster(ctx context.Context) error {
	if p.before.PID == 0 {
		return nil
	}
	if _, err := p.now.identity(ctx); err == nil {
		p.gone = time.Time{}
		return nil
	}
	masters, err := Masters(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(masters, func(m Master) bool {
		return m.Config == p.before.Config && m.Exe == p.before.Exe && m.Root == p.before.Root && m.UID == p.before.UID
	})
	if i >= 0 {
		p.now, p.gone = masters[i], time.Time{}
		return nil
	}
	if p.starts(ctx) {
		return errStarts
	}
	if p.gone.IsZero() {
		p.gone = time.Now()
	}
	return errEnded
}

func (p *proof) newWorkers(ctx context.Context) error {
	if p.before.PID == 0 {
		return nil
	}
	now, err := workerStarts(ctx, p.now.PID)
	if err != nil {
		return err
	}
	for pid, start := range now {
		if old, was := p.old[pid]; was && old == start {
			return fmt.Errorf("its old worker %d still runs", pid)
		}
	}
	return nil
}

// newCache asks a pool for its OPcache's start. That has a grain of a second, so
// that a master that is reloaded in the second of its start is told by its workers.
func (p *proof) newCache(ctx context.Context, pool *poolProof) error {
	if pool.settled {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, proofCall)
	defer cancel()
	status, err := pool.agent.Status(ctx)
	if err != nil && !(pool.start.IsZero() && errors.Is(err, php.ErrOPcacheOff)) {
		return err
	}
	start := status.Statistics.StartTime
	sameSecond := start.Equal(p.asked.Truncate(time.Second)) && p.before.PID != 0
	if !pool.start.IsZero() && !start.After(pool.start) && !sameSecond {
		return fmt.Errorf("pool %s still answers from the OPcache of %s", pool.agent.Pool().Address, pool.start.Format(time.TimeOnly))
	}
	pool.settled = true
	p.follow(ctx, status.Worker.PID)
	return nil
}

// follow takes the parent of a new worker for the master: while a daemon forks,
// its old process still has a master's title for a moment.
func (p *proof) follow(ctx context.Context, worker int) {
	if p.before.PID == 0 {
		return
	}
	if parent, err := proc.Parent(ctx, worker); err == nil {
		m := p.now
		m.PID = parent
		if _, err := m.identity(ctx); err == nil {
			p.now = m
		}
	}
}
