package serve

import (
	"context"
	"errors"
	"slices"
	"time"

	"relink/health"
	"relink/internal/pace"
	"relink/internal/ui"
	"relink/opcache/restart"
)

// Resume does the pending restarts whose moment is quiet. Of the folders unused
// nothing has to be warmed again.
type Resume func(ctx context.Context, unused []string) (restart.Outcome, error)

// Maintain decides by the thresholds whether caches have to be restarted, and does it
// if it is quiet; else that is pending.
type Maintain func(ctx context.Context, unused []string) (restart.MaintenanceResult, error)

const (
	// maintainEvery is how often it is decided, which reads what the caches hold.
	maintainEvery = time.Minute
	// restartLimit bounds one try, with the warming of what was hot.
	restartLimit = 10 * time.Minute
	// slowestRetry is how rarely a restart is tried that fails again and again.
	slowestRetry = 5 * time.Minute
)

// restartLoop tries at each interval, and more and more rarely where a try fails.
// While a deploy runs it tries nothing: the deploy does its own.
func (s *service) restartLoop(ctx context.Context) error {
	pause := s.Interval
	for pace.Wait(ctx, pause) == nil {
		pause = s.Interval
		if err := s.restart(ctx); err != nil && ctx.Err() == nil {
			s.metrics.failures.Inc()
			s.Log.Error().Err(err).Msg("a restart could not be done")
			pause = min(s.retry(err), slowestRetry)
		}
	}
	return nil
}

// retry lets twice as much time pass after each failure in a row.
func (s *service) retry(err error) time.Duration {
	if errors.Is(err, restart.ErrRestarting) {
		s.failures = 0
		return s.Interval
	}
	s.failures = min(s.failures+1, 16)
	return s.Interval << s.failures
}

func (s *service) restart(ctx context.Context) error {
	now := s.sampler.current()
	deploying := slices.ContainsFunc(now.facts.Apps, func(a health.App) bool { return a.Locked != nil })
	if now.facts.Time.IsZero() || deploying {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, restartLimit)
	defer cancel()
	pending, err := restart.ReadPending(s.Health.State)
	if err == nil && len(pending) > 0 && s.Resume != nil {
		var outcome restart.Outcome
		outcome, err = s.Resume(ctx, unusedReleases(now))
		s.sayDone(outcome, "the pending restart is done")
	}
	if err == nil {
		err = s.maintain(ctx, now)
	}
	if err == nil {
		s.failures = 0
	}
	return err
}

// maintain asks now and then.
func (s *service) maintain(ctx context.Context, now *reading) error {
	if s.Maintain == nil || time.Since(s.maintained) < maintainEvery {
		return nil
	}
	s.maintained = time.Now()
	result, err := s.Maintain(ctx, unusedReleases(now))
	for _, one := range result.Decisions {
		if one.Action.Empties() {
			s.Log.Info().Strs("pools", one.Pools).Strs("reasons", one.Texts()).Msg("a restart is needed")
		}
	}
	s.sayDone(result.Outcome, "the restart is done")
	return err
}

func (s *service) sayDone(outcome restart.Outcome, done string) {
	for _, m := range outcome.Masters {
		if !m.Proven {
			continue // err tells
		}
		s.metrics.restarts.Inc()
		s.Log.Info().Strs("pools", m.Pools).Str("action", string(m.Action)).Str("took", ui.Duration(m.Took)).Msg(done)
	}
	for _, note := range outcome.Notes {
		s.Log.Info().Msg(note)
	}
}

// unusedReleases lists the releases that no link leads into. Where too many are listed, too
// little is warmed after a restart, which only takes time.
func unusedReleases(r *reading) []string {
	var list []string
	for _, app := range r.facts.Apps {
		list = append(list, app.InUse.Unused()...)
	}
	return list
}
