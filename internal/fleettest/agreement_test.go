package fleettest

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"relink/deploy/fleet"
	"relink/deploy/fleet/agent"
	"relink/deploy/fleet/store"
	"relink/deploy/release"
	"relink/deploy/rendezvous"
	"relink/internal/config"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"
)

// prepared is a host whose deploy ends when the test says so, with a content of its own.
type prepared struct {
	hold    chan struct{} // closed: it is prepared
	content string
	refused chan error // what the barrier of that content said
	on      atomic.Pointer[string]
}

func newPrepared(content string) *prepared {
	p := &prepared{hold: make(chan struct{}), content: content, refused: make(chan error, 10)}
	p.on.Store(new(string))
	return p
}

func (p *prepared) application() agent.Application {
	var runs atomic.Int64
	return agent.Application{
		Name:    "shop",
		Recover: func(context.Context) error { return nil },
		Standing: func(context.Context) (fleet.AppOn, error) {
			return fleet.AppOn{Instances: 1, Digest: *p.on.Load()}, nil
		},
		DigestOf:   func(_ context.Context, r release.Release) (string, error) { return r.ID, nil },
		ContentsOf: func(context.Context, release.Release) ([]byte, error) { return fleet.NewList().Bytes(), nil },
		Bring: func(ctx context.Context, to fleet.Target, others rendezvous.Others) error {
			content := to.Digest
			if runs.Add(1) == 1 {
				content = p.content
				select {
				case <-p.hold:
				case <-ctx.Done():
					p.refused <- context.Cause(ctx)
					return context.Cause(ctx)
				}
			}
			err := others.Barrier(ctx, release.Release{Manifest: release.Manifest{ID: content}})
			if err != nil {
				p.refused <- err
				return err
			}
			p.on.Store(&content)
			return others.Verdict(ctx, rendezvous.CutOver{})
		},
	}
}

// begin runs the agents, and asks for a rollout to them.
func begin(t *testing.T, c config.Fleet, r fleet.Rollout, hosts map[string]*prepared) *store.Store {
	t.Helper()
	s := arrive(t, c, hosts)
	if err := s.Replace(t.Context(), "shop", fleet.State{Rollout: &r}, 0); err != nil {
		t.Fatal(err)
	}
	return s
}

// arrive runs the agents.
func arrive(t *testing.T, c config.Fleet, hosts map[string]*prepared) *store.Store {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	group, ctx := errgroup.WithContext(ctx)
	t.Cleanup(func() {
		cancel()
		if err := group.Wait(); err != nil {
			t.Error(err)
		}
	})
	for name, one := range hosts {
		own := c
		own.Host = name
		group.Go(func() error {
			return agent.Run(ctx, agent.Options{Fleet: own, ID: name, Apps: []agent.Application{one.application()}, Log: zerolog.Nop()})
		})
	}
	s, err := store.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	within(t, "all have arrived", func() bool {
		v, err := s.View(ctx)
		return err == nil && len(v.Hosts) == len(hosts) && allReady(v)
	})
	return s
}

// A host that is not ready when the others go on lets go of what it prepares, and comes to what
// they are on.
func TestLateHost(t *testing.T) {
	t.Parallel()
	c, _ := ownEtcd(t)
	early, late := newPrepared("one"), newPrepared("other")
	close(early.hold)
	s := begin(t, c, fleet.Rollout{
		ID: "1", Target: fleet.Target{Rollout: "1", Ref: "v"}, Hosts: []string{"a", "b"}, All: true, Quorum: 1, Phase: fleet.Preparing,
		Bounds: fleet.Bounds{Prepare: 1, Switch: 60, Absent: 60},
	}, map[string]*prepared{"a": early, "b": late})
	within(t, "a is done without b", func() bool {
		v, err := s.View(t.Context())
		return err == nil && v.Apps["shop"].Rollout.Ended
	})
	if err := <-late.refused; !errors.Is(err, rendezvous.ErrTakenBack) {
		t.Error(err)
	}
	within(t, "b is on what a is on", func() bool { return *late.on.Load() == "one" })
}

// Where etcd is away for longer than the rollout may take, no deploy waits on: it would keep
// others from the host.
func TestNobodyWaitsForEver(t *testing.T) {
	t.Parallel()
	c, etcd := ownEtcd(t)
	one, never := newPrepared("one"), newPrepared("one")
	close(one.hold)
	s := begin(t, c, fleet.Rollout{
		ID: "1", Target: fleet.Target{Rollout: "1", Ref: "v"}, Hosts: []string{"a", "b"}, All: true, Quorum: 2, Phase: fleet.Preparing,
		Bounds: fleet.Bounds{Prepare: 4, Switch: 0.1, Absent: 0.1},
	}, map[string]*prepared{"a": one, "b": never})
	within(t, "a is ready", func() bool {
		v, err := s.View(t.Context())
		return err == nil && v.Votes["shop"]["a"].Stage == fleet.Ready
	})
	kill(etcd)
	if err := <-one.refused; errors.Is(err, rendezvous.ErrTakenBack) || *one.on.Load() != "" {
		t.Errorf("%v, on %q", err, *one.on.Load())
	}
}
