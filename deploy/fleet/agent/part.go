package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"relink/deploy/fleet"
	"relink/deploy/fleet/store"
	"relink/deploy/release"
	"relink/deploy/rendezvous"
)

// Application is one application of this host, and the deploys of it.
type Application struct {
	Name string

	// Recover finishes or undoes what an interrupted deploy left.
	Recover func(ctx context.Context) error
	// Standing looks at what the links lead to.
	Standing func(ctx context.Context) (fleet.AppOn, error)
	// Bring deploys a target, or goes back to a release of its content that is still here,
	// together with others.
	Bring func(ctx context.Context, to fleet.Target, others rendezvous.Others) error
	// DigestOf reads the digest of a release that is prepared.
	DigestOf DigestOf
	// ContentsOf lists what it is made of, for people to see what differs (fleet.Differing).
	ContentsOf func(context.Context, release.Release) ([]byte, error)
}

// part is this host's part for one application.
type part struct {
	Application
	agent *agent

	mu    sync.Mutex
	at    store.At // as etcd told it last
	known bool     // it has
	moved chan struct{}

	looked bool // on is what the links lead to
	on     fleet.AppOn
	own    fleet.Vote // what this host said last
	turns  bool       // it takes part in a rollout now,
	stood  bool       // and served what was wanted when that began, or serves the rollout's release
}

// told is what is wanted now. What cannot be understood changes nothing.
func (p *part) told(at store.At) {
	p.mu.Lock()
	news := at.Unread != nil && p.at.Unread == nil
	p.at, p.known = at, p.known || at.Unread == nil
	close(p.moved)
	p.moved = make(chan struct{})
	p.mu.Unlock()
	if news {
		p.agent.Log.Error().Str("app", p.Name).Err(at.Unread).Msg("this host stays as it is")
	}
}

func (p *part) now() (at store.At, known bool, moved <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.at, p.known, p.moved
}

func (p *part) standing() fleet.AppOn {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.on
}

func (p *part) lastVote() fleet.Vote {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.own
}

// unready is why this application keeps the host out of rotation; "": it does not.
func (p *part) unready() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case !p.known:
		return "it is not known what is wanted"
	case !p.looked:
		return "it is not known what the links lead to"
	}
	if p.turns && p.stood || !p.turns && p.at.Stands(p.agent.Host, p.on) {
		return ""
	}
	why := fmt.Sprintf("is not on %s yet, which the fleet is on", p.at.WantedOf(p.agent.Host).Ref)
	if p.on.Problem != "" {
		why += ": " + p.on.Problem
	}
	return why
}

// Retries of what this host cannot come to begin soon and get rarer.
const (
	firstRetry = time.Second
	lastRetry  = 2 * time.Minute
)

// run does one duty after the other.
func (p *part) run(ctx context.Context) error {
	retry := firstRetry
	for p.recover(ctx) != nil && p.pause(ctx, retry) {
		retry = min(2*retry, lastRetry)
	}
	select { // nothing is said in the name of a host whose place is not this agent's
	case <-p.agent.arrived:
	case <-ctx.Done():
	}
	retry = firstRetry
	for ctx.Err() == nil {
		at, known, moved := p.now()
		if !known {
			_ = p.wait(ctx, moved)
			continue
		}
		duty, to := fleet.DutyOf(at.State, p.agent.Host, p.standing(), p.lastVote())
		var err error
		switch duty {
		case fleet.Rest:
			if !p.wait(ctx, moved) {
				err = p.look(ctx)
			}
		case fleet.Join:
			err = p.join(ctx, at)
		case fleet.Follow:
			err = p.follow(ctx, to)
		case fleet.Say:
			err = p.say(ctx, at.Last(p.agent.Host, p.lastVote(), p.standing()))
		}
		p.problem(ctx, err)
		if err == nil {
			retry = firstRetry
		} else if p.pause(ctx, retry) {
			retry = min(2*retry, lastRetry)
		}
	}
	return nil
}

// lookEvery is how often a host looks at what its links lead to: somebody may deploy by hand.
const lookEvery = 30 * time.Second

// wait is false where nothing else is wanted after a while.
func (p *part) wait(ctx context.Context, moved <-chan struct{}) bool {
	select {
	case <-moved:
	case <-ctx.Done():
	case <-time.After(lookEvery):
		return false
	}
	return true
}

// pause waits, but no longer than until something else is wanted; it is false once ctx has
// ended.
func (p *part) pause(ctx context.Context, most time.Duration) bool {
	_, _, moved := p.now()
	select {
	case <-time.After(most):
	case <-moved:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}

// recover puts right what a killed agent, or a deploy of before, has left, and looks at what
// this host said before that.
func (p *part) recover(ctx context.Context) error {
	err := p.Recover(ctx)
	if err == nil {
		err = p.look(ctx)
	}
	if err == nil {
		var own fleet.Vote
		if own, err = p.agent.store.VoteOf(ctx, p.Name, p.agent.Host); err == nil {
			p.mu.Lock()
			p.own = own
			p.mu.Unlock()
		}
	}
	p.problem(ctx, err)
	return err
}

// look notes what the links lead to.
func (p *part) look(ctx context.Context) error {
	on, err := p.Standing(ctx)
	if err != nil {
		return err
	}
	p.mu.Lock()
	on.Problem = p.on.Problem
	if little := p.on.FreeBytes / 10; max(on.FreeBytes-p.on.FreeBytes, p.on.FreeBytes-on.FreeBytes) <= little {
		on.FreeBytes = p.on.FreeBytes // not worth a write of each host every half minute
	}
	news := on != p.on || !p.looked
	p.on, p.looked = on, true
	p.mu.Unlock()
	if news {
		p.agent.stir()
	}
	return nil
}

// problem notes why this host does not stand as is wanted, for the fleet and the log.
func (p *part) problem(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	text := ""
	if err != nil {
		text = short(err.Error())
		p.agent.Log.Error().Str("app", p.Name).Err(err).Msg("not on what is wanted")
	}
	p.mu.Lock()
	news := p.on.Problem != text
	p.on.Problem = text
	p.mu.Unlock()
	if news {
		p.agent.stir()
	}
}

// say tells the fleet how far this host has come. What was said is known here even where
// etcd was away then.
func (p *part) say(ctx context.Context, v fleet.Vote) error {
	v.Error, v.Said = short(v.Error), time.Now().UTC().Truncate(time.Millisecond)
	if err := p.agent.vote(ctx, p.Name, v); err != nil {
		return err
	}
	p.mu.Lock()
	p.own = v
	p.mu.Unlock()
	return nil
}

// mostText is more than the first lines of an error, in bytes: one of etcd's values has those of
// all hosts.
const mostText = 2 << 10

// short is the beginning of a text that is long.
func short(text string) string {
	if len(text) <= mostText {
		return text
	}
	return strings.ToValidUTF8(text[:mostText], "") + " ..."
}

// errPassed: the rollout is over, and another one has begun.
var errPassed = errors.New("another rollout has begun")

// insist says it again until etcd has it, nobody asks any more, or ctx ends.
func (p *part) insist(ctx context.Context, v fleet.Vote) error {
	told := ""
	for {
		err := p.say(ctx, v)
		if err == nil {
			return nil
		}
		if text := err.Error(); text != told && !errors.Is(err, store.ErrAway) {
			p.agent.Log.Warn().Str("app", p.Name).Err(err).Msg("the fleet does not take what this host says")
			told = text
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if at, _, _ := p.now(); at.Rollout == nil || at.Rollout.ID != v.Rollout {
			return errPassed
		}
	}
}

// errStale: the prepared release is not what the fleet is on.
var errStale = errors.New("it is not the release that the fleet is on")

// follow comes to what is wanted without others: this host was away, or did not come along.
func (p *part) follow(ctx context.Context, to fleet.Target) error {
	p.agent.Log.Info().Str("app", p.Name).Str("ref", to.Ref).Str("digest", to.Digest).Msg("coming to what the fleet is on")
	if err := errors.Join(p.Bring(ctx, to, asWanted{p.DigestOf, to.Digest}), p.look(ctx)); err != nil {
		return err
	}
	if on := p.standing(); !to.Is(on) {
		return fmt.Errorf("%w: it is on %.12s after the deploy, not on %.12s", errStale, cmp.Or(on.Digest, "no single release"), cmp.Or(to.Digest, to.Commit))
	}
	return nil
}
