package opcache

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"relink/fcgi"
	"relink/internal/hint"
	"relink/internal/pace"
	"relink/internal/ui"
	"relink/php/fpm"
)

// Progress is told how far a long step is. It may be called from several
// goroutines and may be nil.
type Progress func(done, total int)

func (p Progress) report(done, total int) {
	if p != nil {
		p(done, total)
	}
}

// SettleResult tells what was left after the cut-over.
type SettleResult struct {
	Workers  int      `json:"workers"`  // proven to be past every request that began before the cut-over
	Regained int      `json:"regained"` // scripts of the old releases that had come back
	Stale    []Worker `json:"stale"`    // not reached in time: they may serve old code for new pages
	Unproven []string `json:"unproven"` // pools of which nobody knows whether all workers were reached
	APCu     *APCu    `json:"apcu,omitempty"`
}

const (
	// askAgain is how long after the cut-over Settle looks for scripts that the old release has
	// regained while a stale worker is still inside its request. Where a look has found some,
	// the next one comes after twice the time: what comes back is compiled anew, in memory that
	// only a restart frees, and under mod_php a connection that is kept alive brings the old
	// release back at each of its requests. So a wait of any length costs few copies of it.
	askAgain = 250 * time.Millisecond
	// shareOfTime keeps that look below a twentieth of the time where there are
	// very many links and scripts.
	shareOfTime = 20
	// lastLooks bounds the looks after the last worker has been reached. One is
	// enough, for nobody can create an old key any more; the next proves it.
	lastLooks = 3
)

// Settle finishes what Sweep left. A worker that was inside a request keeps its
// old realpaths, and the next page that it serves can bring an old key back for
// all workers. So each worker that lives at the cut-over has to answer once
// more after it; what the old releases regained meanwhile is invalidated again.
// When Settle reports nobody stale, every request that began before the
// cut-over has ended.
//
// Where the web server sends real paths, no worker has anything to forget: that
// the last request of before has ended matters only for what may be retired, and
// is not waited for.
func (s *Switch) Settle(ctx context.Context, progress Progress) (SettleResult, error) {
	if s.idle() {
		s.settled = true
		return SettleResult{}, nil
	}
	if s.Addressing == Resolved {
		swept, err := s.Sweep(ctx)
		s.settled = err == nil && len(swept.Busy) == 0 && len(swept.Unproven) == 0
		result := SettleResult{Workers: swept.Workers}
		if err == nil {
			result.APCu, err = s.clearAPCuAgain(ctx)
		}
		return result, err
	}
	watched, stop := context.WithCancel(ctx)
	var watch sync.WaitGroup
	var regained int
	watch.Go(func() { regained = s.watch(watched) })
	busy := s.busy
	result, err := s.sweepAgain(ctx, progress)
	stop()
	watch.Wait()
	result.Regained += regained
	if err != nil {
		return result, err
	}
	if err := s.lastLook(ctx, &result); err != nil {
		return result, err
	}
	s.settled = len(result.Stale) == 0 && len(result.Unproven) == 0
	if busy || s.Addressing == Keyed {
		result.APCu, err = s.clearAPCuAgain(ctx)
	}
	return result, err
}

// sweepAgain reaches every worker of every pool once more.
func (s *Switch) sweepAgain(ctx context.Context, progress Progress) (SettleResult, error) {
	// Whoever is between two requests is reached in the time of a sweep.
	bounded, cancel := context.WithTimeout(ctx, s.Caches.Options.Timeouts.Settle+sweepRounds*s.Caches.Options.Timeouts.Sweep)
	defer cancel()
	reached := progress.ofPools()
	rounds, err := s.Caches.rounds(bounded, func(r *round) { r.except, r.progress = s.outOfReach(r.pool), reached(r.pool) })
	var result SettleResult
	for _, r := range rounds {
		result.Workers += r.out.swept
		for _, w := range r.out.missing {
			result.Stale = append(result.Stale, s.stale(ctx, r.pool, w))
		}
		if r.out.unproven {
			result.Unproven = append(result.Unproven, r.pool.Address())
		}
	}
	if ctx.Err() != nil {
		return result, ctx.Err()
	}
	return result, err
}

// stale is a worker that was not reached in time. The first page that it serves
// after its request would bring the old release back, for all workers; so it is
// told to serve none, where that is wanted and allowed.
func (s *Switch) stale(ctx context.Context, p *Pool, w fcgi.Process) Worker {
	worker := workerOf(p, w)
	worker.Hidden = p.master == 0
	switch {
	case isLeaving(p, w):
		worker.Ends = true // by the time that Settle gives up it is in a request, not between two
	case s.Caches.Options.EndStale && p.master != 0 && w.State == fcgi.StateRunning:
		worker.Ends = fpm.EndWorker(ctx, p.master, w.PID) == nil
	}
	return worker
}

// watch invalidates what comes back while stale workers are still busy. Its
// failures are left to the last look, which reports them.
func (s *Switch) watch(ctx context.Context) (regained int) {
	apart := askAgain
	for pause := apart; ; {
		if pace.Wait(ctx, pause) != nil {
			return regained
		}
		began := time.Now()
		if n, err := s.regained(ctx); err == nil && n > 0 {
			regained += n
			apart *= 2
		}
		pause = max(apart, shareOfTime*time.Since(began))
	}
}

func (s *Switch) lastLook(ctx context.Context, result *SettleResult) error {
	for range lastLooks {
		n, err := s.regained(ctx)
		if result.Regained += n; err != nil || n == 0 {
			return err
		}
	}
	return nil
}

// ofPools adds up the progress of several pools.
func (p Progress) ofPools() func(*Pool) Progress {
	var mu sync.Mutex
	done, total := map[*Pool]int{}, map[*Pool]int{}
	sum := func(of map[*Pool]int) (n int) {
		for _, one := range of {
			n += one
		}
		return n
	}
	return func(pool *Pool) Progress {
		return func(itsDone, itsTotal int) {
			mu.Lock()
			defer mu.Unlock()
			done[pool], total[pool] = itsDone, itsTotal
			p.report(sum(done), sum(total))
		}
	}
}

var (
	// ErrUnsettled: workers that were busy at the cut-over have not been reached
	// since, and may bring old code back.
	ErrUnsettled = errors.New("not settled")
	// ErrPinned: persistent connections keep workers from everybody but the web server,
	// and no probe leads to them either, so that they cannot be made to see the new links.
	ErrPinned = errors.New("workers are pinned by persistent connections")
)

// Unsettled names all that Settle could not prove; finish says how that is done later.
func Unsettled(s SettleResult, pinned []Worker, finish string) error {
	var errs []error
	if len(s.Stale) > 0 {
		errs = append(errs, hint.With(fmt.Errorf("%w: still in a request that began before the cut-over: %s", ErrUnsettled, DescribeWorkers(s.Stale)),
			"%s", ofStale(s.Stale, finish)))
	}
	if len(pinned) > 0 {
		errs = append(errs, hint.With(fmt.Errorf("%w: %w: %s", ErrUnsettled, ErrPinned, DescribeWorkers(pinned)),
			"reload PHP-FPM at a quiet moment, then %s; no worker is kept without enablereuse=on in Apache's proxy definition (nginx: with fastcgi_keep_conn off)", finish))
	}
	if len(s.Unproven) > 0 {
		errs = append(errs, hint.With(fmt.Errorf("%w: nobody can tell whether all workers were reached of %s", ErrUnsettled, strings.Join(s.Unproven, ", ")),
			"set pm.status_path in the pool and status_path in relink's configuration; reload PHP-FPM if old pages show up"))
	}
	return errors.Join(errs...)
}

// ofStale advises about workers that Settle has not reached.
func ofStale(stale []Worker, finish string) string {
	for _, w := range stale {
		if w.Hidden {
			return fmt.Sprintf(`when the request has ended, or once worker %d, which is a pid of the container that the pool runs in and not of this machine, has been sent SIGQUIT in there, %s; else the first page that this worker serves then brings old code back, for all workers and for good`, w.PID, finish)
		}
		if !w.Ends {
			return fmt.Sprintf(`when the request has ended, or after "kill -QUIT %d", %s; else the first page that this worker serves then brings old code back, for all workers and for good`, w.PID, finish)
		}
	}
	return "told to end with the request, so that no page follows it; " + finish + " then, or deploy again: it retires what the request runs on"
}

// DescribeWorkers names the first few, and what each is doing where that is known.
func DescribeWorkers(workers []Worker) string {
	texts := make([]string, len(workers))
	for i, w := range workers {
		texts[i] = w.describe()
	}
	return ui.FirstFew(texts)
}

func (w Worker) describe() string {
	text := fmt.Sprintf("pid %d of %s", w.PID, w.Pool)
	switch {
	case w.Request != "" && w.Busy > 0:
		text += fmt.Sprintf(" (%s, for %s)", w.Request, w.Busy.Round(100*time.Millisecond))
	case w.Request != "":
		text += " (" + w.Request + ")"
	}
	return text
}
