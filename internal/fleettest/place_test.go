package fleettest

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"relink/deploy/fleet"
	"relink/deploy/fleet/agent"
	"relink/deploy/fleet/store"
	"relink/deploy/release"
	"relink/deploy/rendezvous"
	"relink/internal/config"

	"github.com/rs/zerolog"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// lone is an agent of this process, without PHP.
type lone struct {
	t    *testing.T
	url  string
	log  *output
	stop func()
}

func runAgent(t *testing.T, c config.Fleet, host, id string, apps ...agent.Application) *lone {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	c.Host = host
	l := &lone{t: t, log: &output{}}
	address, ended := make(chan net.Addr, 1), make(chan error, 1)
	go func() {
		ended <- agent.Run(ctx, agent.Options{Fleet: c, ID: id, Apps: apps, Log: zerolog.New(l.log), Listening: func(a net.Addr) { address <- a }})
	}()
	l.stop = func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		ended <- nil
	}
	t.Cleanup(l.stop)
	l.url = "http://" + (<-address).String() + "/readyz"
	return l
}

func (l *lone) ready() bool {
	l.t.Helper()
	answer, err := http.Get(l.url)
	if err != nil {
		l.t.Fatal(err)
	}
	defer answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}

func (l *lone) says(text string) func() bool {
	return func() bool { return strings.Contains(l.log.String(), text) }
}

// agreed is what a fleet of one test agrees on.
type agreed struct {
	t *testing.T
	*store.Store
}

func agreedIn(t *testing.T, c config.Fleet) agreed {
	t.Helper()
	s, err := store.Open(context.WithoutCancel(t.Context()), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return agreed{t, s}
}

func (a agreed) on(app string, s fleet.State) {
	a.t.Helper()
	if err := a.Change(a.t.Context(), app, func(fleet.State) (fleet.State, bool) { return s, true }); err != nil {
		a.t.Fatal(err)
	}
}

func (a agreed) sees(what string, fits func(store.View) bool) {
	a.t.Helper()
	within(a.t, what, func() bool {
		v, err := a.View(a.t.Context())
		return err == nil && fits(v)
	})
}

func rollout(id string, hosts ...string) *fleet.Rollout {
	return &fleet.Rollout{ID: id, Target: fleet.Target{Rollout: id, Ref: "v"}, Hosts: hosts, All: true, Quorum: len(hosts), Phase: fleet.Preparing,
		Bounds: fleet.Bounds{Prepare: 60, Switch: 60, Absent: 60}}
}

// deploying is an application that is on a release, and deploys as bring says.
func deploying(name, on string, bring func(context.Context, fleet.Target, rendezvous.Others) error) agent.Application {
	return agent.Application{
		Name: name, Bring: bring,
		Recover:    func(context.Context) error { return nil },
		Standing:   func(context.Context) (fleet.AppOn, error) { return fleet.AppOn{Instances: 1, Digest: on}, nil },
		DigestOf:   func(_ context.Context, r release.Release) (string, error) { return r.ID, nil },
		ContentsOf: func(context.Context, release.Release) ([]byte, error) { return fleet.NewList().Bytes(), nil },
	}
}

// Another machine of the same name takes no part: it neither says anything in that name, nor
// gets visitors.
func TestTwin(t *testing.T) {
	t.Parallel()
	c, _ := ownEtcd(t)
	a := agreedIn(t, c)
	real := newPrepared("d2")
	runAgent(t, c, "a", "one machine", real.application())
	a.sees("a is there", func(v store.View) bool { return len(v.Hosts) == 1 })
	brought := atomic.Int64{}
	twin := runAgent(t, c, "a", "another machine", deploying("shop", "", func(context.Context, fleet.Target, rendezvous.Others) error {
		brought.Add(1)
		return nil
	}))
	within(t, "the twin is refused", twin.says("the name is taken by another machine"))
	a.on("shop", fleet.State{Rollout: rollout("1", "a")})
	a.sees("the real one takes part", func(v store.View) bool { return v.Votes["shop"]["a"].Stage == fleet.Working })
	if twin.ready() || brought.Load() != 0 {
		t.Errorf("the twin is ready: %v, and has deployed %d times", twin.ready(), brought.Load())
	}
	close(real.hold)
	a.sees("done", func(v store.View) bool { return v.Apps["shop"].Rollout.Ended })
	if got := *real.on.Load(); got != "d2" || brought.Load() != 0 {
		t.Errorf("on %q, the twin has deployed %d times", got, brought.Load())
	}
}

// A second agent of one installation takes the place of the first, which may be gone; and that
// one says so, in place of taking it back.
func TestSecondAgent(t *testing.T) {
	t.Parallel()
	c, _ := ownEtcd(t)
	a := agreedIn(t, c)
	digest := ""
	first := runAgent(t, c, "a", "one machine", nothing(&digest))
	within(t, "the first is ready", first.ready)
	other := ""
	second := runAgent(t, c, "a", "one machine", nothing(&other))
	within(t, "the first says so", first.says("the name is taken by another agent of the same installation"))
	within(t, "the second is ready", second.ready)
	if first.ready() {
		t.Error("the first is still ready")
	}
	second.stop()
	within(t, "the first is ready again", first.ready)
	a.sees("one host", func(v store.View) bool { return len(v.Hosts) == 1 })
}

// A host that has nothing of what is wanted gets no visitors because a rollout names it.
func TestNotReadyWithoutRelease(t *testing.T) {
	t.Parallel()
	c, _ := ownEtcd(t)
	a := agreedIn(t, c)
	a.on("shop", fleet.State{Wanted: fleet.Wanted{All: fleet.Target{Rollout: "0", Ref: "v0", Digest: "d0"}}, Rollout: rollout("1", "a")})
	p := newPrepared("d1")
	one := runAgent(t, c, "a", "1", p.application())
	a.sees("it prepares", func(v store.View) bool { return v.Votes["shop"]["a"].Stage == fleet.Working })
	if one.ready() {
		t.Error("ready without a release")
	}
	close(p.hold)
	within(t, "ready on the new one", one.ready)
}

// An etcd that is made anew counts its revisions anew: a watch from before would wait for good.
func TestNewEtcd(t *testing.T) {
	t.Parallel()
	port, peer := freePort(t), freePort(t)
	etcd := runEtcd(t, t.TempDir(), "127.0.0.1", port, peer)
	c, _ := ownEtcd(t)
	c.Etcd.Endpoints = []string{"http://127.0.0.1:" + port}
	a := agreedIn(t, c)
	digest := ""
	one := runAgent(t, c, "a", "1", nothing(&digest))
	within(t, "ready", one.ready)
	for range 100 { // a fleet that has lived
		a.on("shop", fleet.State{Paused: &fleet.Pause{By: "x"}})
	}
	kill(etcd)
	runEtcd(t, t.TempDir(), "127.0.0.1", port, peer)
	a = agreedIn(t, c)
	a.sees("the host is in the new one", func(v store.View) bool { return len(v.Hosts) == 1 })
	a.on("shop", fleet.State{Rollout: rollout("1", "a")})
	a.sees("it takes part", func(v store.View) bool { return v.Apps["shop"].Rollout.Ended })
}

// What a host cannot understand is not the same as nothing: it stays where it is.
func TestNotUnderstood(t *testing.T) {
	t.Parallel()
	c, _ := ownEtcd(t)
	a := agreedIn(t, c)
	decided := make(chan error, 1)
	digest := "new"
	runAgent(t, c, "b", "2", deploying("shop", "old", func(ctx context.Context, _ fleet.Target, o rendezvous.Others) error {
		if err := o.Barrier(ctx, release.Release{Manifest: release.Manifest{ID: digest}}); err != nil {
			return err
		}
		<-ctx.Done() // its checks take long
		return ctx.Err()
	}))
	one := runAgent(t, c, "a", "1", deploying("shop", "old", func(ctx context.Context, _ fleet.Target, o rendezvous.Others) error {
		err := o.Barrier(ctx, release.Release{Manifest: release.Manifest{ID: digest}})
		if err == nil {
			err = o.Verdict(ctx, rendezvous.CutOver{})
			decided <- err
		}
		return err
	}))
	a.sees("both are there", func(v store.View) bool { return len(v.Hosts) == 2 })
	a.on("shop", fleet.State{Rollout: rollout("1", "a", "b")})
	a.sees("a has cut over", func(v store.View) bool { return v.Votes["shop"]["a"].Stage == fleet.Switched })
	client, err := clientv3.New(clientv3.Config{Endpoints: c.Etcd.Endpoints})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	put := func(text string) {
		t.Helper()
		if _, err := client.Put(t.Context(), "/relink/many/apps/shop", text); err != nil {
			t.Fatal(err)
		}
	}
	put(`{"rollout":{"id":"1","phase":{"name":"switch","step":2}}}`)
	within(t, "a says so", one.says("is not understood"))
	select {
	case err := <-decided:
		t.Errorf("a has taken it for a decision: %v", err)
	default:
	}
	done := rollout("1", "a", "b")
	done.Phase, done.Target.Digest = fleet.Done, digest
	text, err := json.Marshal(fleet.State{Wanted: fleet.Wanted{All: done.Target}, Rollout: done})
	if err != nil {
		t.Fatal(err)
	}
	put(string(text))
	if err := <-decided; err != nil {
		t.Error(err)
	}
}

// A failure that is told in many words ends a rollout like any other, and not the steward's
// work for other applications.
func TestLongError(t *testing.T) {
	t.Parallel()
	c, _ := ownEtcd(t)
	a := agreedIn(t, c)
	var brought atomic.Int64
	fails := func(context.Context, fleet.Target, rendezvous.Others) error {
		brought.Add(1)
		return errors.New(strings.Repeat("x", 2_000_000))
	}
	runAgent(t, c, "a", "1", deploying("shop", "old", fails))
	runAgent(t, c, "b", "2", deploying("shop", "old", fails))
	a.sees("both are there", func(v store.View) bool { return len(v.Hosts) == 2 })
	a.on("shop", fleet.State{Wanted: fleet.Wanted{All: fleet.Target{Ref: "o", Digest: "old"}}, Rollout: rollout("1", "a", "b")})
	a.sees("it is over", func(v store.View) bool { return v.Apps["shop"].Rollout.Ended })
	n := brought.Load()
	a.on("shop", fleet.State{Wanted: fleet.Wanted{All: fleet.Target{Ref: "other", Digest: "other"}}})
	within(t, "they come to something else", func() bool { return brought.Load() > n })
}

// A host without an instance of the application has nothing to do, and says so.
func TestNoInstance(t *testing.T) {
	t.Parallel()
	c, _ := ownEtcd(t)
	a := agreedIn(t, c)
	a.on("shop", fleet.State{Wanted: fleet.Wanted{All: fleet.Target{Ref: "o", Digest: "old"}}})
	var brought atomic.Int64
	app := deploying("shop", "", func(context.Context, fleet.Target, rendezvous.Others) error {
		brought.Add(1)
		return nil
	})
	app.Standing = func(context.Context) (fleet.AppOn, error) { return fleet.AppOn{FreeBytes: 1}, nil }
	one := runAgent(t, c, "a", "1", app)
	within(t, "ready", one.ready)
	a.on("shop", fleet.State{Rollout: rollout("1", "a")})
	a.sees("it says so", func(v store.View) bool {
		vote := v.Votes["shop"]["a"]
		return vote.Stage == fleet.Failed && strings.Contains(vote.Error, "no instance")
	})
	if brought.Load() != 0 {
		t.Errorf("it has deployed %d times", brought.Load())
	}
}
