package fleettest

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"relink/deploy/fleet"
	"relink/deploy/fleet/command"
	"relink/deploy/release"
	"relink/internal/exit"
	"relink/internal/sandbox/load"
)

// watched is a fleet whose visitors and links are looked at all the time.
type watched struct {
	*farm
	load   *load.Load
	way    *balancer
	looked sync.WaitGroup
	end    chan struct{}
	mu     sync.Mutex
	wrong  []string // releases that somebody was on, and that were not prepared whole
}

func (f *farm) watch() *watched {
	w := &watched{farm: f, end: make(chan struct{})}
	w.load, w.way = f.beginLoad(3)
	for _, h := range f.hosts {
		w.looked.Go(func() { w.look(h) })
	}
	return w
}

func (w *watched) stop() {
	close(w.end)
	w.looked.Wait()
}

// look follows what the links of a host lead to.
func (w *watched) look(h *host) {
	known := map[string]bool{}
	for {
		for _, id := range h.releases() {
			if known[id] {
				continue
			}
			known[id] = true
			releases, err := release.Open(h.path("releases"))
			if err == nil {
				var r release.Release
				if r, err = releases.Get(id); err == nil && !r.Sealed {
					err = fmt.Errorf("not sealed")
				}
			}
			if err != nil {
				w.mu.Lock()
				w.wrong = append(w.wrong, fmt.Sprintf("%s was on %s: %v", h.Name, id, err))
				w.mu.Unlock()
			}
		}
		select {
		case <-w.end:
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// ended is what a deploy said, and where the hosts were then.
type ended struct {
	at     time.Time
	exit   int
	report command.Report
	on     []bool
}

// survives goes through one case; it is false where that came to nothing.
func (w *watched) survives(one trial, ref string) bool {
	w.t.Helper()
	w.must(w.line.Few(w.ctx, ref))
	before := w.load.Result().Errors
	for host, file := range one.held {
		w.must(os.WriteFile(w.hosts[host].path(file), nil, 0o644))
	}
	deploy := w.hosts[commander].command(append([]string{"--format", "json", "fleet", "deploy", ref}, one.args...)...)
	out, told := &output{}, &output{}
	deploy.Stdout, deploy.Stderr = out, told
	w.must(deploy.Start())
	result := make(chan ended, 1)
	defer func() {
		for host, file := range one.held { // it may have failed before
			_ = os.Remove(w.hosts[host].path(file))
		}
	}()
	go func() {
		_ = deploy.Wait()
		e := ended{at: time.Now(), exit: deploy.ProcessState.ExitCode()}
		for _, h := range w.hosts {
			e.on = append(e.on, h.on(ref))
		}
		result <- e
	}()
	defer func() {
		if w.t.Failed() {
			w.t.Logf("the command: %s%s", told, out)
		}
	}()
	early := false
	w.await(one.moment.name, func() bool {
		refused := len(result) > 0
		r := w.rollout()
		begun := r != nil && r.Target.Ref == ref
		early = begun && r.Phase == fleet.Back || !begun && refused
		return early || w.at(ref, one.reached)
	})
	if early {
		for host, file := range one.held {
			w.must(os.Remove(w.hosts[host].path(file)))
		}
		<-result
		for _, h := range w.hosts {
			h.awaitReady(true)
		}
		w.settles(time.Now(), deployTakes)
		w.t.Logf("taken back, or refused, before the fault began: %s%s", told, out)
		return false
	}
	finish := one.begin(w.farm, deploy)
	if one.fails {
		w.must(os.WriteFile(w.hosts[2].path(checkFails), nil, 0o644))
	}
	for host, file := range one.held {
		w.must(os.Remove(w.hosts[host].path(file)))
	}
	if finish != nil {
		<-time.After(lasts)
		finish()
	}
	over := time.Now()
	settled := w.settles(over, one.within+deployTakes)
	_ = os.Remove(w.hosts[2].path(checkFails))
	e := <-result
	w.judge(&e, out.String(), ref)
	r := w.rollout()
	within := time.Duration(0)
	if !settled.IsZero() {
		within = settled.Sub(over)
	}
	w.visitors(e, r, settled, before)
	w.t.Logf("%s: %s, exit %d, all on %s %s after the end of the fault; %d requests, %d of them asked again of another host: %s %q",
		w.t.Name(), r.Phase, e.exit, w.wanted(0), within.Round(time.Millisecond), w.load.Result().Requests, w.way.again.Load(), r.Reason, e.report.Behind)
	return true
}

// at tells whether the moment is reached.
func (w *watched) at(ref string, reached func(seen) bool) bool {
	v, err := w.store.View(w.ctx)
	r := v.Apps["club"].Rollout
	if err != nil || r == nil || r.Target.Ref != ref {
		return false
	}
	s := seen{Rollout: r, votes: v.VotesOn("club", r.ID)}
	for _, h := range w.hosts {
		s.moved = append(s.moved, h.on(ref))
	}
	return reached(s)
}

// settles waits until the fleet is at rest.
func (w *watched) settles(since time.Time, bound time.Duration) time.Time {
	w.t.Helper()
	for !w.settled() {
		if time.Since(since) > bound {
			w.dump()
			w.t.Errorf("not on one release within %s: %+v", bound, w.rollout())
			return time.Time{}
		}
		<-time.After(20 * time.Millisecond)
	}
	return time.Now()
}

// judge holds what the command said against where the hosts were when it ended.
func (w *watched) judge(e *ended, out, ref string) {
	w.t.Helper()
	if e.exit < 0 { // killed
		return
	}
	w.must(json.Unmarshal([]byte(out), &e.report))
	done := e.report.Rollout.Phase == fleet.Done
	if (e.exit == exit.Done) != (done && len(e.report.Behind) == 0) {
		w.t.Errorf("exit %d of %s, %q are not on it", e.exit, e.report.Rollout.Phase, e.report.Behind)
	}
	for i, h := range w.hosts {
		if e.on[i] != done && !slices.Contains(e.report.Behind, h.Name) {
			w.t.Errorf("%s is on %s: %v, and the command does not say so: exit %d of %s, %q", h.Name, ref, e.on[i], e.exit, e.report.Rollout.Phase, e.report.Behind)
		}
	}
}

// visitors are to have noticed nothing.
func (w *watched) visitors(e ended, r *fleet.Rollout, settled time.Time, before int) {
	w.t.Helper()
	enough := w.load.Result().Requests + 50
	w.await("visitors ask", func() bool { return w.load.Result().Requests >= enough })
	result := w.load.Result()
	if failed := result.Errors - before; failed != 0 {
		w.t.Errorf("%d requests failed: %q", failed, result.Described)
	}
	if e.exit == exit.Done {
		if old := result.OtherAfter(e.at, r.Target.Ref); old != 0 {
			w.t.Errorf("%d old answers after the command had returned", old)
		}
	}
	if !settled.IsZero() {
		if other := result.OtherAfter(settled, w.wanted(0)); other != 0 {
			w.t.Errorf("%d answers of other releases after all were on %s", other, w.wanted(0))
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, text := range w.wrong {
		w.t.Error(text)
	}
	w.wrong = nil
}

// wanted is what a host is to be on.
func (f *farm) wanted(host int) string {
	f.t.Helper()
	state, _, err := f.store.State(f.ctx, "club")
	f.must(err)
	return state.WantedOf(f.hosts[host].Name).Ref
}

// settled tells whether the rollout has ended, and every host is there, ready, and on what is
// wanted.
func (f *farm) settled() bool {
	v, err := f.store.View(f.ctx)
	if err != nil {
		return false
	}
	at := v.Apps["club"]
	if at.Rollout == nil || !at.Rollout.Ended {
		return false
	}
	for _, h := range f.hosts {
		if _, there := v.Hosts[h.Name]; !there || !h.ready() || !h.on(at.WantedOf(h.Name).Ref) {
			return false
		}
	}
	return true
}

func (f *farm) rollout() *fleet.Rollout {
	state, _, err := f.store.State(f.ctx, "club")
	if err != nil {
		return nil
	}
	return state.Rollout
}

// steward is the number of the host that decides.
func (f *farm) steward() int {
	f.t.Helper()
	name, err := f.store.Steward(f.ctx)
	f.must(err)
	for i, h := range f.hosts {
		if h.Name == name {
			return i
		}
	}
	f.t.Fatalf("the steward is %q", name)
	return 0
}

// signalAgent reaches relink itself: "ip netns exec" becomes it.
func (f *farm) signalAgent(host int, s syscall.Signal) {
	_ = f.hosts[host].agent.Process.Signal(s)
}
