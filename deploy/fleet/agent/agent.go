// Package agent is one host's part in a fleet: it says what the host has, comes to what is
// wanted by the very deploys of a single host, and decides for all where it is the steward.
package agent

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"reflect"
	"sync"
	"time"

	"relink/deploy/fleet"
	"relink/deploy/fleet/depot"
	"relink/deploy/fleet/store"
	"relink/internal/config"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"
)

// Options say which host this is, and what deploys its applications.
type Options struct {
	config.Fleet // Host is set

	ID      string // of this installation
	Version string // of relink
	Apps    []Application
	Depot   *depot.Depot // of releases that hosts fetch from each other; nil: there are none
	Log     zerolog.Logger

	// Listening is told the address of /readyz; may be nil.
	Listening func(net.Addr)
}

// Run takes part until ctx ends, which is no error. A deploy that is under way is abandoned
// where nothing has moved yet, and finished else.
func Run(ctx context.Context, o Options) (err error) {
	s, err := store.Open(ctx, o.Fleet)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	a := newAgent(o, s)
	listener, err := listen(o.Ready)
	if err != nil {
		return fmt.Errorf("fleet.ready: %w", err)
	}
	if o.Listening != nil {
		o.Listening(listener.Addr())
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return a.answer(ctx, listener) })
	group.Go(func() error { return a.keepCertificate(ctx) })
	group.Go(func() error { return a.admit(ctx) })
	group.Go(func() error { return a.serve(ctx) })
	group.Go(func() error { return a.tidy(ctx) })
	group.Go(func() error { return store.Again(ctx, pause, a.cutOff, a.followWanted) })
	group.Go(func() error { return store.Again(ctx, pause, a.cutOff, a.present) })
	for _, p := range a.parts {
		group.Go(func() error { return p.run(ctx) })
	}
	return group.Wait()
}

// pause is between two tries to reach etcd.
const pause = time.Second

type agent struct {
	Options
	store *store.Store
	parts map[string]*part

	run     string        // this one, of the installation
	arrived chan struct{} // closed once this agent has had a lease

	mu      sync.Mutex
	place   *store.Presence // nil: it has no lease now
	refused error           // why it gets none: the name is taken
	met     bool            // etcd has told what is wanted since this agent began
	away    error           // why it cannot be reached now; nil: it can
	problem string          // with this host's certificate; "": none
	changed chan struct{}   // closed when what this host says of itself has changed
}

func newAgent(o Options, s *store.Store) *agent {
	a := &agent{Options: o, store: s, parts: map[string]*part{}, run: rand.Text(), arrived: make(chan struct{}), changed: make(chan struct{})}
	if o.Depot != nil {
		o.Depot.Having = a.having
	}
	for _, app := range o.Apps {
		a.parts[app.Name] = &part{Application: app, agent: a, moved: make(chan struct{})}
	}
	return a
}

// cutOff notes that etcd is away. What serves stays as it is.
func (a *agent) cutOff(err error) {
	a.mu.Lock()
	first := a.away == nil
	a.away = err
	a.mu.Unlock()
	if first {
		a.Log.Warn().Err(err).Msg("cut off from the fleet; what serves stays as it is")
	}
}

// followWanted tells each part what the fleet wants of it.
func (a *agent) followWanted(ctx context.Context) error {
	return a.store.Follow(ctx, store.Apps, func(v store.View) {
		for name, p := range a.parts {
			p.told(v.Apps[name])
		}
		a.mu.Lock()
		back := a.away != nil
		a.met, a.away = true, nil
		a.mu.Unlock()
		if back {
			a.Log.Info().Msg("the fleet can be reached")
		}
		a.stir()
	})
}

// stir has the fleet told what this host says of itself now.
func (a *agent) stir() {
	a.mu.Lock()
	defer a.mu.Unlock()
	close(a.changed)
	a.changed = make(chan struct{})
}

func (a *agent) stirred() <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.changed
}

// present keeps this host's lease, and waits for its turn as steward.
func (a *agent) present(ctx context.Context) error {
	p, err := a.store.Arrive(ctx, a.self(), a.Lease, a.hasArrived())
	a.took(p, err)
	if err != nil {
		return err
	}
	defer a.took(nil, nil)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		select {
		case <-p.Gone():
			return fmt.Errorf("%w: the lease has ended", store.ErrAway)
		case <-ctx.Done():
			return nil
		}
	})
	group.Go(func() error { return a.keepTold(ctx, p) })
	group.Go(func() error {
		return store.Again(ctx, pause, func(err error) { a.Log.Warn().Err(err).Msg("not the steward any more") }, func(ctx context.Context) error {
			return p.Lead(ctx, a.decide)
		})
	})
	return errors.Join(group.Wait(), p.Leave())
}

// took notes whether the host's place in the fleet is this agent's.
func (a *agent) took(p *store.Presence, err error) {
	a.mu.Lock()
	taken := errors.Is(err, store.ErrNameTaken)
	news := taken && a.refused == nil
	a.place = p
	if p != nil || taken {
		a.refused = err
	}
	if p != nil {
		select {
		case <-a.arrived:
		default:
			close(a.arrived)
		}
	}
	a.mu.Unlock()
	if news {
		a.Log.Error().Err(err).Msg("this agent takes no part")
	}
}

func (a *agent) hasArrived() bool {
	select {
	case <-a.arrived:
		return true
	default:
		return false
	}
}

// vote says it in the name of the host, while that is this agent's.
func (a *agent) vote(ctx context.Context, app string, v fleet.Vote) error {
	a.mu.Lock()
	place := a.place
	a.mu.Unlock()
	if place == nil {
		return store.ErrAbsent
	}
	return place.Vote(ctx, app, v)
}

// keepTold tells the fleet each change of what this host has.
func (a *agent) keepTold(ctx context.Context, p *store.Presence) error {
	var told fleet.Host
	for {
		stirred := a.stirred()
		if now := a.self(); !reflect.DeepEqual(now, told) {
			if err := p.Tell(ctx, now); err != nil {
				return err
			}
			told = now
		}
		select {
		case <-stirred:
		case <-ctx.Done():
			return nil
		}
	}
}

// self is what this host says of itself.
func (a *agent) self() fleet.Host {
	h := fleet.Host{Name: a.Host, ID: a.ID, Run: a.run, Labels: labels(a.Labels), Version: a.Version, Apps: map[string]fleet.AppOn{}}
	for name, p := range a.parts {
		h.Apps[name] = p.standing()
	}
	h.Why = a.unready()
	a.mu.Lock()
	h.Problem = a.problem
	a.mu.Unlock()
	h.Ready = h.Why == ""
	if a.serves() {
		h.Serves, h.Lists = a.Fleet.Serve, a.Depot.Whole()
	}
	return h
}

// unready is why the host is not to get visitors; "": it is.
func (a *agent) unready() string {
	a.mu.Lock()
	met, away, refused := a.met, a.away, a.refused
	a.mu.Unlock()
	if refused != nil {
		return refused.Error()
	}
	if !met {
		why := "the fleet has not said yet what is wanted"
		if away != nil {
			why += ": " + away.Error()
		}
		return why
	}
	for _, name := range sortedNames(a.parts) {
		if why := a.parts[name].unready(); why != "" {
			return name + ": " + why
		}
	}
	return ""
}
