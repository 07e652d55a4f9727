package deploy

import (
	"context"
	"errors"
	"fmt"

	"relink/deploy/journal"
	"relink/deploy/outcome"
	"relink/internal/hint"
	"relink/internal/links"
	"relink/opcache"
)

// ErrReturns means that compiling a release would bring old keys back to life.
var ErrReturns = errors.New("it was in use before and has been left")

// Warm compiles, in the release h.To, what is hot of h.From: the first half of a deploy
// whose links somebody else moves.
func Warm(ctx context.Context, o Options, d Deps, c Caches, h Handover) (outcome.Report, error) {
	r, err := newRun(o, d, journal.OperationWarm)
	if err == nil {
		err = r.warmFor(ctx, c, h)
	}
	return *r.report, r.conclude(err)
}

func (r *run) warmFor(ctx context.Context, caches Caches, h Handover) error {
	r.report.Previous, r.report.Release = links.Release(h.From, r.App.RealReleases()), links.Release(h.To, r.App.RealReleases())
	s := r.inOrder()
	found := take(ctx, s, "preflight", r.mayWarm(caches, h.To))
	cut := take(ctx, s, "observe", func(ctx context.Context) (Switch, string, error) {
		cut, err := caches.Observe(ctx, []opcache.Link{{From: h.From, To: h.To, FromRelease: h.From, ToRelease: h.To}}, found.addressing)
		return cut, "", err
	})
	s.do(ctx, "room", func(ctx context.Context) (string, error) {
		_, err := cut.Room(ctx, nil) // what it tells is why Warm skips a cache
		return "", err
	})
	s.do(ctx, "warm", func(ctx context.Context) (string, error) {
		summary, err := r.warmBy(ctx, cut)
		if warmed := &r.report.Warm; err == nil && warmed.Skipped == "" && warmed.Scripts+warmed.Absent+len(warmed.Failed) == 0 {
			warmed.Skipped = "the caches hold no script of the old release"
		}
		return summary, err
	})
	return s.err
}

// mayWarm refuses a release that links have left: its old keys would serve it
// while the links are elsewhere. What is live is compiled by its visitors as well.
func (r *run) mayWarm(caches Caches, folder string) step[server] {
	return func(ctx context.Context) (found server, summary string, err error) {
		found.caches = caches
		if found.addressing, err = r.addressing(ctx, found); err != nil {
			return found, "", err
		}
		back, err := returned(ctx, caches, folder)
		if err != nil || !back || r.Force || found.addressing.Reuses() || r.App.InUse().Serves(folder) {
			return found, "", err
		}
		return found, "", hint.With(fmt.Errorf("warm %s: %w: pages that nobody has asked for since would come from it, though the links are elsewhere", folder, ErrReturns),
			`leave the warm out: move the links and run "relink opcache refresh" at once; better, give each release a path of its own`)
	}
}
