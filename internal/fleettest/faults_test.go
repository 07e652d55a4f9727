package fleettest

import (
	"fmt"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"relink/deploy/fleet"
	"relink/internal/exit"
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
	t.Parallel()
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
