package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"relink/deploy/fleet"
	"relink/deploy/fleet/store"
	"relink/deploy/release"
	"relink/deploy/rendezvous"
	"relink/internal/exit"
)

// DigestOf gives the digest of a release.
type DigestOf func(context.Context, release.Release) (string, error)

// asWanted lets a host that follows cut over only to the content that the others are on.
type asWanted struct {
	digestOf DigestOf
	digest   string // "": none is known
}

func (s asWanted) Barrier(ctx context.Context, prepared release.Release) error {
	got, err := s.digestOf(ctx, prepared)
	if err == nil && s.digest != "" && got != s.digest {
		err = fmt.Errorf("%w: its content has the digest %.12s, not %.12s", errStale, got, s.digest)
	}
	return err
}

func (s asWanted) Verdict(context.Context, rendezvous.CutOver) error { return nil }

// turn is this host's part in one rollout.
type turn struct {
	*part
	rollout fleet.Rollout
	let     atomic.Bool // it may cut over, or has
	vote    fleet.Vote
}

// join takes part in a rollout, from its preparation to its end.
func (p *part) join(ctx context.Context, at store.At) error {
	t := &turn{part: p, rollout: *at.Rollout, vote: fleet.Vote{Rollout: at.Rollout.ID, Stage: fleet.Working}}
	if err := p.say(ctx, t.vote); err != nil {
		return err
	}
	p.takeTurn()
	defer p.leaveTurn()
	stayed, err := t.bring(ctx)
	if ctx.Err() != nil {
		return nil // whoever runs next recovers, and goes on by what is wanted then
	}
	if err := p.look(ctx); err != nil {
		return err
	}
	if goesOn(err) || stayed && errors.Is(err, rendezvous.ErrTakenBack) {
		return nil // by what is wanted, and says so then
	}
	ctx, cancel := t.inTime(ctx)
	defer cancel()
	if err := p.insist(ctx, t.last(err)); !goesOn(err) {
		return err
	}
	return nil
}

// goesOn: the rollout has passed, or nobody can tell this host of it.
func goesOn(err error) bool { return errors.Is(err, errNoWord) || errors.Is(err, errPassed) }

// takeTurn begins a part in a rollout. Visitors may be sent here meanwhile as they could before.
func (p *part) takeTurn() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.turns, p.stood = true, p.at.Stands(p.agent.Host, p.on)
}

// cameOver: this host serves the rollout's release, and is well.
func (p *part) cameOver() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stood = true
}

func (p *part) leaveTurn() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.turns = false
}

// bring ends early where the rollout is taken back before this host may cut over. stayed
// tells that the release was live already.
func (t *turn) bring(ctx context.Context) (stayed bool, err error) {
	preparing, abandon := context.WithCancelCause(ctx)
	defer abandon(nil)
	var watching sync.WaitGroup
	defer watching.Wait()
	defer abandon(nil)
	watching.Go(func() {
		if err := t.await(preparing, func(at store.At) bool { return !t.underWay(at) }); err == nil && !t.let.Load() {
			abandon(rendezvous.ErrTakenBack)
		}
	})
	if on := t.standing(); on.Digest != "" && t.rollout.Target.Is(on) {
		return true, t.stay(preparing)
	}
	return false, t.Bring(preparing, t.rollout.Target, t)
}

// stay takes part where the release is live already: others follow, or the host was killed
// after its cut-over.
func (t *turn) stay(ctx context.Context) error {
	on := t.standing()
	err := t.ready(ctx, on.Release, on.Digest)
	if err == nil {
		err = t.Verdict(ctx, rendezvous.CutOver{})
	}
	return err
}

// errNoWord: etcd has been away for longer than the rollout takes.
var errNoWord = errors.New("etcd was away for longer than the rollout may take")

// inTime bounds what waits for the fleet: a deploy that waits keeps others from this host.
func (t *turn) inTime(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, t.rollout.Most(), errNoWord)
}

// await ends when what is wanted fits, or with ctx.
func (t *turn) await(ctx context.Context, fits func(store.At) bool) error {
	for {
		at, _, moved := t.now()
		if fits(at) {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// underWay tells whether it is still to be decided whether the release stays.
func (t *turn) underWay(at store.At) bool {
	r := at.Rollout
	return r != nil && r.ID == t.rollout.ID && !r.Phase.Decided()
}

// stays tells whether the fleet has come to be on the release: by this rollout or, where
// this host was cut off for longer, by what is wanted since.
func (t *turn) stays(at store.At) bool {
	return at.WantedOf(t.agent.Host).Rollout == t.rollout.ID
}

// Barrier tells that all is prepared, and ends when this host may cut over.
func (t *turn) Barrier(ctx context.Context, prepared release.Release) error {
	digest, err := t.DigestOf(ctx, prepared)
	if err != nil {
		return err
	}
	err = t.ready(ctx, prepared.ID, digest)
	if at, _, _ := t.now(); err != nil && at.Rollout != nil && at.Rollout.ID == t.rollout.ID && slices.Contains(at.Rollout.Show, t.agent.Host) {
		return errors.Join(err, t.show(context.WithoutCancel(ctx), prepared))
	}
	return err
}

// showTime bounds it: the way back waits.
const showTime = 30 * time.Second

// show tells what the prepared release is made of, while it is there.
func (t *turn) show(ctx context.Context, prepared release.Release) error {
	ctx, cancel := context.WithTimeout(ctx, showTime)
	defer cancel()
	list, err := t.ContentsOf(ctx, prepared)
	if err != nil {
		return err
	}
	return t.agent.store.Show(ctx, t.Name, t.agent.Host, list)
}

func (t *turn) ready(ctx context.Context, id, digest string) error {
	t.vote.Stage, t.vote.Release, t.vote.Digest = fleet.Ready, id, digest
	if list := t.rollout.Target.List; list != "" && t.agent.Depot != nil {
		t.vote.Fetched = t.agent.Depot.Fetched(list)
		t.agent.stir() // others may fetch it from here now
	}
	ctx, cancel := t.inTime(ctx)
	defer cancel()
	if err := t.insist(ctx, t.vote); err != nil {
		return err
	}
	var seen store.At
	err := t.await(ctx, func(at store.At) bool {
		seen = at
		return !t.underWay(at) || at.Rollout.MayCutOver(t.agent.Host)
	})
	to := seen.WantedOf(t.agent.Host)
	switch {
	case err != nil:
		return err
	case to.Rollout != t.rollout.ID || to.Digest != digest: // it may have come too late, with another content
		return rendezvous.ErrTakenBack
	}
	t.let.Store(true)
	t.vote.Saw = seen.Revision
	return nil
}

// Verdict tells that this host has cut over and is well, and ends when it is decided
// whether the release stays.
func (t *turn) Verdict(ctx context.Context, c rendezvous.CutOver) error {
	t.cameOver()
	t.vote.Stage, t.vote.Moved, t.vote.CutOver, t.vote.TookMS = fleet.Switched, true, c.At, c.TookMS
	ctx, cancel := t.inTime(ctx)
	defer cancel()
	if err := t.insist(ctx, t.vote); err != nil {
		return err
	}
	var seen store.At
	err := t.await(ctx, func(at store.At) bool {
		seen = at
		return !t.underWay(at)
	})
	switch {
	case err != nil:
		return err
	case !t.stays(seen):
		reason := "the fleet has gone on without it"
		if seen.Rollout != nil && seen.Rollout.ID == t.rollout.ID {
			reason = seen.Rollout.Reason
		}
		return fmt.Errorf("%w: %s", rendezvous.ErrTakenBack, reason)
	}
	return nil
}

// last is what this host says in the end.
func (t *turn) last(err error) fleet.Vote {
	v := t.vote
	v.Doubt = errors.Is(err, exit.ErrUnverified)
	at, _, _ := t.now()
	back := !t.underWay(at) && !t.stays(at)
	switch {
	case err == nil:
		v.Stage = fleet.Finished
	case back && (!t.let.Load() || errors.Is(err, exit.ErrRolledBack)):
		v.Stage, v.Error = fleet.Returned, ""
	case !t.underWay(at) && t.stays(at) && errors.Is(err, exit.ErrUnverified): // it is live
		v.Stage, v.Error = fleet.Finished, err.Error()
	default:
		v.Stage, v.Error = fleet.Failed, err.Error()
	}
	return v
}
