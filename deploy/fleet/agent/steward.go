package agent

import (
	"context"
	"errors"
	"time"

	"relink/deploy/fleet"
	"relink/deploy/fleet/store"

	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/sync/errgroup"
)

// tick is how often the steward looks at its clock: bounds pass without anybody writing.
const tick = 250 * time.Millisecond

// decide is what the steward does: whatever is to become of each rollout, by what all
// hosts say. It keeps nothing that its successor would need.
func (a *agent) decide(ctx context.Context, guard clientv3.Cmp) error {
	a.Log.Info().Msg("this host is the steward of the fleet")
	views := make(chan store.View, 1)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		err := a.store.Follow(ctx, store.Everything, func(v store.View) {
			select { // the newest is enough
			case <-views:
			default:
			}
			views <- v
		})
		if err == nil && ctx.Err() == nil {
			err = store.ErrAway
		}
		return err
	})
	group.Go(func() error {
		timed := newClock()
		var v store.View
		ticks := time.NewTicker(tick)
		defer ticks.Stop()
		for {
			select {
			case <-ctx.Done():
				return nil
			case v = <-views:
			case <-ticks.C:
			}
			a.decideAll(ctx, v, timed, guard)
		}
	})
	return group.Wait()
}

// decideAll decides for each application, though it may fail for another one.
func (a *agent) decideAll(ctx context.Context, v store.View, timed *clock, guard clientv3.Cmp) {
	timed.look(v, time.Now())
	for app, at := range v.Apps {
		if at.Rollout == nil || at.Rollout.Ended || at.Unread != nil {
			continue
		}
		next, changed := fleet.Next(at.State, timed.seen(app, v, time.Now()))
		if !changed {
			continue
		}
		err := a.store.Replace(ctx, app, next, at.Revision, guard)
		if errors.Is(err, store.ErrChanged) {
			continue // the view that tells is on its way
		}
		if timed.news(app, err) {
			a.Log.Error().Str("app", app).Err(err).Msg("what becomes of the rollout cannot be written")
		}
		if err != nil {
			continue
		}
		a.Log.Info().Str("app", app).Str("rollout", next.Rollout.ID).Str("phase", string(next.Rollout.Phase)).Int("wave", next.Rollout.Wave).Str("reason", next.Rollout.Reason).Msg("decided")
	}
}

// clock is the steward's own clock: since when a host is away, and a phase lasts. A new
// steward begins to count anew, so that a bound may be passed by as much as the old one had
// counted.
type clock struct {
	away   map[string]time.Time
	phases map[string]begun
	failed map[string]string // what could not be written, by application
}

// news notes why a decision could not be written, and tells whether that is known already.
func (w *clock) news(app string, err error) bool {
	text := ""
	if err != nil {
		text = err.Error()
	}
	news := text != "" && text != w.failed[app]
	w.failed[app] = text
	return news
}

type begun struct {
	rollout string
	phase   fleet.Phase
	wave    int
	since   time.Time
}

func newClock() *clock {
	return &clock{away: map[string]time.Time{}, phases: map[string]begun{}, failed: map[string]string{}}
}

// look notes what is new in a view.
func (w *clock) look(v store.View, now time.Time) {
	for app, at := range v.Apps {
		r := at.Rollout
		if r == nil {
			continue
		}
		if was := w.phases[app]; was.rollout != r.ID || was.phase != r.Phase || was.wave != r.Wave {
			w.phases[app] = begun{r.ID, r.Phase, r.Wave, now}
		}
		for _, host := range r.Hosts {
			if _, there := v.Hosts[host]; there {
				delete(w.away, host)
			} else if w.away[host].IsZero() {
				w.away[host] = now
			}
		}
	}
}

func (w *clock) seen(app string, v store.View, now time.Time) fleet.Seen {
	s := fleet.Seen{Absent: map[string]time.Duration{}, Without: map[string]bool{}, Since: now.Sub(w.phases[app].since)}
	r := v.Apps[app].Rollout
	s.Votes = v.VotesOn(app, r.ID)
	for _, host := range r.Hosts {
		if since, away := w.away[host]; away {
			s.Absent[host] = now.Sub(since)
		}
		if there, is := v.Hosts[host]; is {
			_, has := there.Apps[app]
			s.Without[host] = !has
		}
	}
	return s
}
