package serve

import (
	"context"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"relink/health"
	"relink/health/gather"
	"relink/health/serve/page"
	"relink/internal/pace"
	"relink/opcache/restart"
)

// sampler looks at everything again and again. Only its loop writes its fields;
// what others may read is in readings, which do not change.
type sampler struct {
	Options
	window    *window
	discovery *discovery
	budget    budget
	deploys   *deploys
	history   *history
	feed      *page.Feed

	full    *health.Facts // the last full look
	last    *health.Facts // the last look, for what has changed since
	changes *changes

	reading atomic.Pointer[reading]
	beat    atomic.Int64 // Unix nanoseconds: when the loop went on last
	first   chan struct{}
	begin   sync.Once
	counts  [2]atomic.Int64 // looks, cheap and full
	took    [2]atomic.Int64 // nanoseconds of the last one
}

func newSampler(o Options, h *history, feed *page.Feed) *sampler {
	s := &sampler{
		Options: o, window: &window{folder: gather.Folder(filepath.Join(o.Health.State, "health"))},
		discovery: newDiscovery(o.Health), budget: newBudget(o.Share, time.Now(), cpuTime()),
		changes: newChanges(), deploys: newDeploys(o.Health), history: h, feed: feed,
		first: make(chan struct{}),
	}
	s.reading.Store(newReading(s, health.Facts{}, nil, nil))
	s.beat.Store(time.Now().UnixNano())
	return s
}

// current is the last reading; one without time before the first.
func (s *sampler) current() *reading { return s.reading.Load() }

// alive tells whether the loop goes on: a look lasts at most four times the
// timeout of a pool (gather.Facts).
func (s *sampler) alive(now time.Time) bool {
	return now.Sub(time.Unix(0, s.beat.Load())) < 4*s.Health.Timeout+s.Interval+mostWait
}

func (s *sampler) loop(ctx context.Context) error {
	defer s.feed.Close() // ends the pages' connections, which last for ever
	for {
		before := cpuTime()
		s.look(ctx)
		s.beat.Store(time.Now().UnixNano())
		cost := cpuTime() - before
		if s.window.full {
			cost = 0 // full looks are left to the budget
		}
		if pace.Wait(ctx, s.budget.wait(s.Interval, cost)) != nil {
			return nil
		}
	}
}

// look takes one reading. One that the end of the service cuts short counts for
// nothing: everything would seem down.
func (s *sampler) look(ctx context.Context) {
	now := time.Now()
	s.budget.count(now, cpuTime())
	unseen := s.full != nil && s.last != nil && fingerprint(*s.last) != fingerprint(*s.full) // closely
	s.window.full = s.budget.fullNow(now, unseen)
	facts := s.gather(ctx)
	if ctx.Err() != nil {
		return
	}
	if s.window.full {
		s.budget.full = now
		s.full = &facts
	} else if s.full != nil {
		facts = overlay(facts, *s.full)
	}
	s.discovery.note(facts)
	s.publish(facts)
}

func (s *sampler) gather(ctx context.Context) health.Facts {
	d := s.Health
	d.Cheap, d.Samples, d.Pools = !s.window.full, s.window, s.discovery.get
	facts := gather.Facts(ctx, d)
	facts.Report = facts.Report.WithoutScripts()
	kind := 0
	if s.window.full {
		kind = 1
	}
	s.counts[kind].Add(1)
	s.took[kind].Store(int64(facts.Took))
	return facts
}

func (s *sampler) publish(facts health.Facts) {
	results := health.Evaluate(facts, s.Thresholds, s.Checks...)
	if s.last != nil {
		found := changesBetween(*s.last, facts)
		s.changes.add(found...)
		for _, c := range found {
			s.Log.Info().Str("kind", c.Kind).Str("subject", c.Subject).Msg(c.Message)
		}
		if err := s.history.add(pointOf(s.last, &facts, results)); err != nil {
			s.Log.Error().Err(err).Msg("the history could not be written")
		}
	}
	pending, err := restart.ReadPending(s.Health.State)
	if err != nil {
		s.Log.Error().Err(err).Send()
	}
	old := s.current()
	s.last = &facts
	r := newReading(s, facts, results, pending)
	s.reading.Store(r)
	if worst := health.Worst(results); old.facts.Time.IsZero() || worst != health.Worst(old.results) {
		s.Log.Info().Str("state", worst.String()).Msg("health")
	}
	s.feed.Publish(r.snapshot())
	s.begin.Do(func() { close(s.first) })
}
