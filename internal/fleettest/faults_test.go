package fleettest

import (
	"fmt"
	"os"
	"syscall"
	"testing"
	"time"

	"relink/deploy/fleet"
)

// fault is what happens to the fleet, and its end.
type fault struct {
	begin, end  func(f *farm)
	coordinator bool // the command is killed
}

var faults = map[string]fault{
	"an agent is killed": {
		begin: func(f *farm) { kill(f.hosts[1].agent) },
		end:   func(f *farm) { f.hosts[1].startAgent() },
	},
	"an agent is stopped": {
		begin: func(f *farm) { f.signalAgent(1, syscall.SIGSTOP) },
		end:   func(f *farm) { f.signalAgent(1, syscall.SIGCONT) },
	},
	"a host is cut off": {
		begin: func(f *farm) { f.net.cut(1, true) },
		end:   func(f *farm) { f.net.cut(1, false) },
	},
	"the steward is killed": {
		begin: func(f *farm) { f.down = f.steward(); kill(f.hosts[f.down].agent) },
		end:   func(f *farm) { f.hosts[f.down].startAgent() },
	},
	"etcd is lost": {
		begin: func(f *farm) { kill(f.etcd) },
		end:   func(f *farm) { f.startEtcd() },
	},
	"the command is killed": {coordinator: true},
}

// Whatever happens, in whichever phase: once it has ended, all hosts come to one release, that
// which is wanted, by themselves.
func TestFaults(t *testing.T) {
	f := newFleet(t, 3, 2, func(s *spec) {
		s.Extra = "  lease: 2s\n  absent: 2s\n  prepare: 30s\n  switch: 20s\n"
		s.Hooks = fmt.Sprintf("{before_switch: [\"while test -e %s; do sleep 0.02; done\"]}", s.path("hold"))
		s.Check = `{url: "URL/slow.php?s=1", host: "{instance}.test"}`
	})
	f.relink(0, "fleet", "deploy", "v1")
	number := 1
	for _, phase := range []fleet.Phase{fleet.Preparing, fleet.Switching} {
		for name, one := range faults {
			number++
			ref := fmt.Sprint("v", number)
			t.Run(fmt.Sprintf("%s in %s", name, phase), func(t *testing.T) {
				f.t = t
				f.must(f.line.Few(f.ctx, ref))
				f.survives(one, phase, ref)
			})
		}
	}
}

func (f *farm) survives(one fault, phase fleet.Phase, ref string) {
	f.t.Helper()
	if phase == fleet.Preparing {
		f.must(os.WriteFile(f.hosts[1].path("hold"), nil, 0o644))
	}
	deploy := f.hosts[2].command("fleet", "deploy", ref)
	out := &output{}
	deploy.Stdout, deploy.Stderr = out, out
	f.must(deploy.Start())
	f.await("the phase "+string(phase), func() bool {
		r := f.rollout()
		return r != nil && r.Target.Ref == ref && r.Phase == phase
	})
	began := time.Now()
	if one.coordinator {
		f.must(deploy.Process.Kill())
	} else {
		one.begin(f)
	}
	_ = os.Remove(f.hosts[1].path("hold"))
	<-time.After(5 * time.Second) // as long as the fault lasts: longer than lease and absence
	if !one.coordinator {
		one.end(f)
	}
	ended := time.Now()
	_ = deploy.Wait()
	f.await("one release", func() bool { return f.settled() })
	status := deploy.ProcessState.ExitCode()
	r := f.rollout()
	f.t.Logf("%s, exit %d, %s after the end of the fault (%s): %s", r.Phase, status, time.Since(ended).Round(time.Millisecond), time.Since(began).Round(time.Millisecond), r.Reason)
	if status == 0 && r.Phase != fleet.Done {
		f.t.Errorf("exit 0, but %s: %s", r.Phase, out)
	}
	if f.t.Failed() {
		f.t.Log(out)
	}
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
	f.must(f.hosts[host].agent.Process.Signal(s))
}
