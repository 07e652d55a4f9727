package fleettest

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"relink/deploy/fleet"
	"relink/deploy/fleet/command"
	"relink/deploy/release"
	"relink/internal/exit"
	"relink/internal/sandbox/load"
)

// everyFault has each fault begin at each moment, in place of at one of them: make test-faults.
var everyFault bool

// lasts is for how long: longer than a host's lease and its absence take together.
const lasts = 5 * time.Second

// deployTakes is what a host needs that has to follow by itself, with room for a machine that
// has other work.
const deployTakes = 25 * time.Second

// victim is the number of the host that a fault hits; the command runs on the third, whose
// checks can fail.
const victim, commander = 1, 2

// Whatever happens, and at whichever moment of a rollout: once it has ended, all hosts come to
// one release, that which is wanted, by themselves; the command tells who is not on it, nobody
// is ever on a release that was not prepared whole, and visitors notice nothing.
func TestFaults(t *testing.T) {
	fleets := 3
	if everyFault {
		fleets = 5
	}
	shares := make([][]trial, fleets)
	for i, one := range faults {
		for j, at := range moments {
			if everyFault || (i-j)%len(moments) == 0 {
				shares[i%fleets] = append(shares[i%fleets], trial{one, at})
			}
		}
	}
	for i, share := range shares {
		t.Run(fmt.Sprint("fleet", i+1), func(t *testing.T) {
			t.Parallel()
			f := newFleetOn(t, 3, 2, 3, func(s *spec) {
				s.Extra = "  lease: 3s\n  absent: 1s\n  prepare: 30s\n  switch: 20s\n"
				s.Hooks = fmt.Sprintf("{before_switch: [%q], after_switch: [%q]}", s.until(hookHeld), s.until(afterHeld))
				s.Check = `{url: "HELD/", host: "{instance}.test"}`
			})
			f.relink(0, "fleet", "deploy", "v1")
			w := f.watch()
			number := 1
			for _, one := range share {
				t.Run(one.fault.name+", "+one.moment.name, func(t *testing.T) {
					f.t = t
					for tries := 1; ; tries++ {
						if number++; w.survives(one, fmt.Sprint("v", number)) {
							return
						}
						if tries == mostTries {
							t.Fatalf("%d times taken back before the fault began", tries)
						}
					}
				})
			}
			f.t = t
			w.stop()
		})
	}
}

// mostTries of a case are made where the machine has so much other work that a host is away for
// longer than its lease and its absence before anything was done to it.
const mostTries = 3

type trial struct {
	fault
	moment
}

// moment is when a fault begins.
type moment struct {
	name    string
	args    []string       // of the deploy
	held    map[int]string // hosts, and the file that holds each
	reached func(s seen) bool
	fails   bool // the check of the third host, which is held, fails then
}

// seen is what can be told of a rollout from outside.
type seen struct {
	*fleet.Rollout
	votes map[string]fleet.Vote
	moved []bool // hosts whose links lead to its release
}

func (s seen) says(host int, stage fleet.Stage) bool {
	return s.votes[fmt.Sprint("web", host+1)].Stage == stage
}

var moments = []moment{{
	name: "while it prepares", held: map[int]string{victim: hookHeld},
	reached: func(s seen) bool { return s.says(0, fleet.Ready) && s.says(2, fleet.Ready) },
}, {
	name: "when it is ready", held: map[int]string{2: hookHeld},
	reached: func(s seen) bool { return s.says(0, fleet.Ready) && s.says(victim, fleet.Ready) },
}, {
	name: "when it has cut over", held: map[int]string{victim: checkHeld},
	reached: func(s seen) bool { return s.moved[victim] && s.says(0, fleet.Switched) && s.says(2, fleet.Switched) },
}, {
	name: "before the verdict", held: map[int]string{2: checkHeld},
	reached: func(s seen) bool { return s.says(0, fleet.Switched) && s.says(victim, fleet.Switched) },
}, {
	name: "before it is taken back", held: map[int]string{2: checkHeld}, fails: true,
	reached: func(s seen) bool { return s.says(0, fleet.Switched) && s.says(victim, fleet.Switched) },
}, {
	name: "after the verdict", held: map[int]string{victim: afterHeld},
	reached: func(s seen) bool { return s.Phase == fleet.Done },
}, {
	name: "before its wave", args: []string{"--waves", "1,rest"}, held: map[int]string{0: checkHeld},
	reached: func(s seen) bool { return s.moved[0] && s.says(victim, fleet.Ready) },
}, {
	name: "in the middle of its wave", args: []string{"--waves", "2,rest"}, held: map[int]string{victim: checkHeld},
	reached: func(s seen) bool { return s.moved[victim] && s.says(0, fleet.Switched) },
}}

// fault is what happens to the fleet; it returns what ends it.
type fault struct {
	name   string
	within time.Duration // of its end, and of what a deploy takes, all hosts are on one release (docs/fleet.md)
	begin  func(f *farm, deploy *exec.Cmd) (end func())
}

var faults = []fault{
	{"an agent is killed", 5 * time.Second, func(f *farm, _ *exec.Cmd) func() {
		kill(f.hosts[victim].agent)
		return f.hosts[victim].startAgent
	}},
	{"an agent is stopped", 10 * time.Second, func(f *farm, _ *exec.Cmd) func() {
		f.signalAgent(victim, syscall.SIGSTOP)
		return func() { f.signalAgent(victim, syscall.SIGCONT) }
	}},
	{"an agent is slow", 5 * time.Second, func(f *farm, _ *exec.Cmd) func() { return f.inTurns(victim) }},
	{"a host is slow", 5 * time.Second, func(f *farm, _ *exec.Cmd) func() {
		f.net.slow(victim, true)
		return func() { f.net.slow(victim, false) }
	}},
	{"a host is cut off", 10 * time.Second, func(f *farm, _ *exec.Cmd) func() {
		f.hosts[victim].down(true)
		f.net.cut(victim, true)
		return func() { f.net.cut(victim, false); f.hosts[victim].down(false) }
	}},
	{"a host is not heard by etcd", 10 * time.Second, func(f *farm, _ *exec.Cmd) func() {
		return f.loses(func(member int, lost bool) { f.net.lose(victim, member, lost) })
	}},
	{"a host does not hear etcd", 10 * time.Second, func(f *farm, _ *exec.Cmd) func() {
		return f.loses(func(member int, lost bool) { f.net.lose(member, victim, lost) })
	}},
	{"a host is killed with all that runs on it", 5 * time.Second, func(f *farm, _ *exec.Cmd) func() {
		h := f.hosts[victim]
		h.down(true)
		f.net.killAll(victim)
		_, _ = h.agent.Process.Wait()
		_, _ = h.servers.Process.Wait()
		return func() { h.serve(); h.down(false); h.startAgent() }
	}},
	{"the steward is killed", 5 * time.Second, func(f *farm, _ *exec.Cmd) func() {
		one := f.hosts[f.steward()]
		kill(one.agent)
		return one.startAgent
	}},
	{"etcd's leader is killed", 10 * time.Second, func(f *farm, _ *exec.Cmd) func() {
		leader := f.etcd.leader()
		f.etcd.kill(leader)
		return func() { f.etcd.start(leader) }
	}},
	{"etcd's leader is cut off", 15 * time.Second, func(f *farm, _ *exec.Cmd) func() {
		leader := f.etcd.first + f.etcd.leader()
		f.net.cut(leader, true)
		return func() { f.net.cut(leader, false) }
	}},
	{"etcd loses its quorum", 15 * time.Second, func(f *farm, _ *exec.Cmd) func() {
		leader := f.etcd.leader()
		other := (leader + 1) % len(f.etcd.members)
		f.etcd.kill(leader)
		f.etcd.kill(other)
		return func() { f.etcd.start(leader); f.etcd.start(other) }
	}},
	{"etcd is lost", 15 * time.Second, func(f *farm, _ *exec.Cmd) func() {
		for i := range f.etcd.members {
			f.etcd.kill(i)
		}
		return func() {
			for i := range f.etcd.members {
				f.etcd.start(i)
			}
		}
	}},
	{"the command is killed", 5 * time.Second, func(f *farm, deploy *exec.Cmd) func() {
		f.must(deploy.Process.Kill())
		return nil
	}},
	{"the command is killed, and another one takes it back", 5 * time.Second, func(f *farm, deploy *exec.Cmd) func() {
		f.must(deploy.Process.Kill())
		decided := f.rollout().Phase.Decided()
		other := f.hosts[0].command("fleet", "rollback")
		out := &output{}
		other.Stdout, other.Stderr = out, out
		f.must(other.Start())
		f.await("it is decided", func() bool { r := f.rollout(); return r != nil && r.Phase.Decided() })
		return func() {
			_ = other.Wait()
			status := other.ProcessState.ExitCode()
			if want := map[bool]int{false: exit.Done, true: exit.Locked}[decided]; status != want {
				f.t.Errorf("relink fleet rollback: exit %d, want %d: %s", status, want, out)
			}
		}
	}},
}

// loses has a way to each member of etcd lose all.
func (f *farm) loses(way func(member int, lost bool)) (end func()) {
	for i := range f.etcd.members {
		way(f.etcd.first+i, true)
	}
	return func() {
		for i := range f.etcd.members {
			way(f.etcd.first+i, false)
		}
	}
}

// inTurns lets an agent run for a tenth of the time.
func (f *farm) inTurns(host int) (end func()) {
	const stands, runs = 450 * time.Millisecond, 50 * time.Millisecond
	done := make(chan struct{})
	var turns sync.WaitGroup
	turns.Go(func() {
		for {
			f.signalAgent(host, syscall.SIGSTOP)
			<-time.After(stands)
			f.signalAgent(host, syscall.SIGCONT)
			select {
			case <-time.After(runs):
			case <-done:
				return
			}
		}
	})
	return func() { close(done); turns.Wait() }
}

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
		r := w.rollout()
		early = r != nil && r.Target.Ref == ref && r.Phase == fleet.Back
		return early || w.at(ref, one.reached)
	})
	if early {
		for host, file := range one.held {
			w.must(os.Remove(w.hosts[host].path(file)))
		}
		<-result
		w.settles(time.Now(), deployTakes)
		w.t.Logf("taken back before the fault began: %s", w.rollout().Reason)
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
