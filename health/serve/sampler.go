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
	fleet     *gather.Follower // nil: this host is by itself

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
	if o.Fleet != nil {
		s.fleet = gather.NewFollower(*o.Fleet, o.Log)
		s.Health.Fleet = s.fleet.Facts
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
		if !s.wait(ctx, s.budget.wait(s.Interval, cost)) {
			return nil
		}
	}
}

// newsPause is between two that are told: a rollout to a hundred hosts is hundreds.
const newsPause = 500 * time.Millisecond

// wait tells meanwhile what the fleet says; it is false once ctx has ended.
func (s *sampler) wait(ctx context.Context, until time.Duration) bool {
	next := time.After(until)
	var news chan struct{}
	var pause <-chan time.Time
	if s.fleet != nil {
		news = s.fleet.News
	}
	for {
		select {
		case <-news:
			s.tellFleet()
			news, pause = nil, time.After(newsPause)
		case <-pause:
			news, pause = s.fleet.News, nil
		case <-next:
			return true
		case <-ctx.Done():
			return false
		}
	}
}

// tellFleet has the last look tell what the fleet says now.
func (s *sampler) tellFleet() {
	if s.last == nil {
		return
	}
	facts := *s.last
	facts.Fleet = s.fleet.Last()
	s.show(facts, health.Evaluate(facts, s.Thresholds, s.Checks...), s.current().pending)
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
	s.show(facts, results, pending)
	s.begin.Do(func() { close(s.first) })
}

// show is what all answers are made of from now on.
func (s *sampler) show(facts health.Facts, results []health.Result, pending []restart.Pending) {
	old := s.current()
	s.last = &facts
	r := newReading(s, facts, results, pending)
	s.reading.Store(r)
	if worst := health.Worst(results); old.facts.Time.IsZero() || worst != health.Worst(old.results) {
		s.Log.Info().Str("state", worst.String()).Msg("health")
	}
	s.feed.Publish(r.snapshot())
}
