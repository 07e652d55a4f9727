package fleettest

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"relink/deploy/fleet"
	"relink/deploy/fleet/agent"
	"relink/deploy/fleet/store"
	"relink/deploy/release"
	"relink/deploy/rendezvous"
	"relink/internal/config"

	"github.com/prometheus/procfs"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"
)

// without PHP, a deploy is nothing but its agreement.
func nothing(digest *string) agent.Application {
	return agent.Application{
		Name:       "shop",
		Recover:    func(context.Context) error { return nil },
		Standing:   func(context.Context) (fleet.AppOn, error) { return fleet.AppOn{Instances: 1, Digest: *digest}, nil },
		DigestOf:   func(_ context.Context, r release.Release) (string, error) { return r.ID, nil },
		ContentsOf: func(context.Context, release.Release) ([]byte, error) { return fleet.NewList().Bytes(), nil },
		Bring: func(ctx context.Context, to fleet.Target, others rendezvous.Others) error {
			if err := others.Barrier(ctx, release.Release{Manifest: release.Manifest{ID: to.Commit}}); err != nil {
				return err
			}
			*digest = to.Commit
			return others.Verdict(ctx, rendezvous.CutOver{At: time.Now()})
		},
	}
}

// A hundred real agents agree; how long that takes, and what they cost where nothing
// happens, is told.
func TestHundredAgents(t *testing.T) {
	t.Parallel()
	const hosts = 100
	c, etcd := ownEtcd(t)
	ctx, cancel := context.WithCancel(context.Background())
	group, ctx := errgroup.WithContext(ctx)
	defer func() {
		cancel()
		if err := group.Wait(); err != nil {
			t.Error(err)
		}
	}()
	digests := make([]string, hosts)
	for i := range hosts {
		own := c
		own.Host = fmt.Sprintf("host%03d", i)
		o := agent.Options{Fleet: own, ID: own.Host, Apps: []agent.Application{nothing(&digests[i])}, Log: zerolog.Nop()}
		group.Go(func() error { return agent.Run(ctx, o) })
	}
	s, err := store.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var v store.View
	within(t, "all have arrived", func() bool {
		v, err = s.View(ctx)
		return err == nil && len(v.Hosts) == hosts && allReady(v)
	})
	quiet, idle := v.Revision, cpuOf(t, etcd.Process.Pid)
	<-time.After(5 * time.Second)
	v, err = s.View(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("idle: %d writes in 5 s, etcd %s of CPU", v.Revision-quiet, cpuOf(t, etcd.Process.Pid)-idle)
	for round := range 3 {
		v, err = s.View(ctx)
		if err != nil {
			t.Fatal(err)
		}
		next := v.Apps["shop"].State
		names, _, _, err := fleet.Choose(fleet.Choice{App: "shop"}, v.Members)
		if err != nil || len(names) != hosts {
			t.Fatal(len(names), err)
		}
		next.Rollout = &fleet.Rollout{
			ID: strconv.Itoa(round + 1), Target: fleet.Target{Rollout: strconv.Itoa(round + 1), Ref: "v", Commit: fmt.Sprint("c", round)},
			Hosts: names, All: true, Quorum: hosts, Phase: fleet.Preparing, Bounds: fleet.Bounds{Prepare: 60, Switch: 60, Absent: 60},
		}
		began := time.Now()
		if err := s.Replace(ctx, "shop", next, v.Apps["shop"].Revision); err != nil {
			t.Fatal(err)
		}
		within(t, "the rollout has ended", func() bool {
			v, err = s.View(ctx)
			return err == nil && v.Apps["shop"].Rollout.Ended
		})
		took, first, last := time.Since(began), time.Time{}, time.Time{}
		r := v.Apps["shop"].Rollout
		for host, vote := range v.VotesOn("shop", r.ID) {
			if vote.Stage != fleet.Finished {
				t.Errorf("%s: %+v", host, vote)
			}
			if first.IsZero() || vote.CutOver.Before(first) {
				first = vote.CutOver
			}
			if vote.CutOver.After(last) {
				last = vote.CutOver
			}
		}
		if r.Phase != fleet.Done || len(v.VotesOn("shop", r.ID)) != hosts {
			t.Errorf("%+v", r)
		}
		t.Logf("%d hosts agreed in %s, cut-overs within %s", hosts, took.Round(time.Millisecond), last.Sub(first).Round(time.Millisecond))
	}
}

// ownEtcd runs one on loopback, for agents of this process.
func ownEtcd(t *testing.T) (config.Fleet, *exec.Cmd) {
	t.Helper()
	port := freePort(t)
	etcd := runEtcd(t, t.TempDir(), "127.0.0.1", port, freePort(t))
	return config.Fleet{Name: "many", Ready: "127.0.0.1:0", Lease: 5 * time.Second, Etcd: config.Etcd{Endpoints: []string{"http://127.0.0.1:" + port}}}, etcd
}

func allReady(v store.View) bool {
	for _, h := range v.Hosts {
		if !h.Ready {
			return false
		}
	}
	return true
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// cpuOf is what a process has taken of processors.
func cpuOf(t *testing.T, pid int) time.Duration {
	t.Helper()
	p, err := procfs.NewProc(pid)
	if err != nil {
		t.Fatal(err)
	}
	stat, err := p.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return time.Duration(stat.CPUTime() * float64(time.Second)).Round(time.Millisecond)
}
