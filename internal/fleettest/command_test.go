package fleettest

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"relink/deploy/fleet"
	"relink/deploy/fleet/command"
	"relink/deploy/fleet/store"
	"relink/internal/config"
	"relink/internal/exit"
)

// commanded is a fleet of agents of this process, and the program beside them.
type commanded struct {
	t    *testing.T
	file string
	dir  string
}

func newCommanded(t *testing.T, endpoint, more string) *commanded {
	t.Helper()
	dir := t.TempDir()
	m := &commanded{t: t, file: filepath.Join(dir, "relink.yaml"), dir: dir}
	text := fmt.Sprintf("state_dir: %q\nfleet: {name: many, dir: %q, prepare: 1m, switch: 1m, etcd: {endpoints: [%q]}%s}\napps: {shop: {source: {dir: %q}, releases: %q, instances: {a: %q}}}\n",
		filepath.Join(dir, "state"), filepath.Join(dir, "fleet"), endpoint, more, filepath.Join(dir, "source"), filepath.Join(dir, "releases"), filepath.Join(dir, "www"))
	m.must(os.MkdirAll(filepath.Join(dir, "source"), 0o755))
	m.must(os.MkdirAll(filepath.Join(dir, "releases"), 0o755))
	m.must(os.WriteFile(m.file, []byte(text), 0o600))
	return m
}

func (m *commanded) must(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

func (m *commanded) start(args ...string) (*exec.Cmd, *output) {
	m.t.Helper()
	c, out := exec.Command("relink", append([]string{"--config", m.file}, args...)...), &output{}
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	c.Stdout, c.Stderr = out, out
	m.must(c.Start())
	m.t.Cleanup(func() { kill(c) })
	return c, out
}

// ends waits for a command, which has to exit with that status and say that.
func (m *commanded) ends(c *exec.Cmd, out *output, status int, says string) {
	m.t.Helper()
	_ = c.Wait()
	said := strings.Join(strings.Fields(out.String()), " ")
	m.t.Logf("%q: exit %d: %s", c.Args[3:], c.ProcessState.ExitCode(), said)
	if c.ProcessState.ExitCode() != status || !strings.Contains(said, says) {
		m.t.Errorf("exit %d, want %d and %q", c.ProcessState.ExitCode(), status, says)
	}
}

func (m *commanded) relink(status int, says string, args ...string) {
	m.t.Helper()
	c, out := m.start(args...)
	m.ends(c, out, status, says)
}

// lived is a fleet with a history, whose hosts are ready and on what is wanted.
func lived(t *testing.T, s *store.Store, wanted fleet.Wanted, past []fleet.Rollout) {
	t.Helper()
	var revision int64
	for _, r := range past {
		if err := s.Replace(t.Context(), "shop", fleet.State{Wanted: wanted, Rollout: &r}, revision); err != nil {
			t.Fatal(err)
		}
		var err error
		if _, revision, err = s.State(t.Context(), "shop"); err != nil {
			t.Fatal(err)
		}
	}
}

func target(ref string) fleet.Target {
	return fleet.Target{Rollout: ref, Ref: ref, Digest: "digest-of-" + ref}
}

func done(id, ref string, hosts ...string) fleet.Rollout {
	return fleet.Rollout{ID: id, Target: target(ref), Hosts: hosts, All: len(hosts) == 2, Quorum: len(hosts), Phase: fleet.Done, Ended: true}
}

// ready is agents that are on what is wanted, beside an etcd.
func ready(t *testing.T, hosts ...string) (config.Fleet, *store.Store, map[string]*prepared) {
	t.Helper()
	c, _ := ownEtcd(t)
	agents := map[string]*prepared{}
	for _, host := range hosts {
		agents[host] = newPrepared("")
		close(agents[host].hold)
	}
	return c, arrive(t, c, agents), agents
}

func (m *commanded) wantOn(agents map[string]*prepared, host, ref string) {
	m.t.Helper()
	within(m.t, host+" is on "+ref, func() bool { return *agents[host].on.Load() == target(ref).Digest })
}

// What a canary was brought to does not come to the others by a rollback.
func TestRollbackAfterCanary(t *testing.T) {
	t.Parallel()
	c, s, agents := ready(t, "a", "b")
	m := newCommanded(t, c.Etcd.Endpoints[0], "")
	wanted := fleet.Wanted{All: target("v1"), Hosts: map[string]fleet.Target{"a": target("v2")}}
	lived(t, s, wanted, []fleet.Rollout{done("1", "v0", "a", "b"), done("2", "v1", "a", "b"), done("3", "v2", "a")})
	m.wantOn(agents, "a", "v2")
	m.wantOn(agents, "b", "v1")
	m.relink(exit.Usage, "b to v0 (digest-of-v0), a to v1 (digest-of-v1)", "fleet", "rollback")
	m.wantOn(agents, "b", "v1")
	m.relink(exit.Done, "", "fleet", "rollback", "--hosts", "a")
	m.wantOn(agents, "a", "v1")
}

// The order of the history is that of the rollouts, whatever the clocks of who asked.
func TestHistoryOfClocks(t *testing.T) {
	t.Parallel()
	c, s, agents := ready(t, "a", "b")
	m := newCommanded(t, c.Etcd.Endpoints[0], "")
	lived(t, s, fleet.Wanted{All: target("v1")}, []fleet.Rollout{done("20980101T000000.000Z", "v0", "a", "b"), done("20990101T000000.000Z", "v1", "a", "b")}) // far ahead
	m.relink(exit.Done, "", "fleet", "rollback", "--to", "20980101T000000.000Z")
	m.wantOn(agents, "a", "v0")
	past, err := s.History(t.Context(), "shop", 1)
	m.must(err)
	if past[0].Target.Ref != "v0" || past[0].ID != "20990101T000000.001Z" {
		t.Errorf("%+v", past[0])
	}
	m.relink(exit.Done, "", "fleet", "rollback")
	m.wantOn(agents, "a", "v1")
}

// The answer to the write that begins a rollout is lost.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	c, s, agents := ready(t, "a", "b")
	k := newLink(t, c)
	m := newCommanded(t, "http://"+k.l.Addr().String(), "")
	lived(t, s, fleet.Wanted{All: target("v1")}, []fleet.Rollout{done("1", "v0", "a", "b"), done("2", "v1", "a", "b")})
	m.wantOn(agents, "a", "v1")

	k.lose(`"phase":"prepare"`, false)
	m.relink(exit.Failed, "nothing has changed on any host", "fleet", "rollback")
	m.wantOn(agents, "a", "v1")
	if state, _, err := s.State(t.Context(), "shop"); err != nil || state.Rollout.ID != "2" {
		t.Errorf("%+v, %v", state.Rollout, err)
	}

	k.lose(`"phase":"prepare"`, true)
	m.relink(exit.Done, "asking whether the rollout was written", "fleet", "rollback")
	m.wantOn(agents, "a", "v0")
	m.wantOn(agents, "b", "v0")
}

// Ctrl-C is not lost where etcd is away just then.
func TestInterruptWhileEtcdIsAway(t *testing.T) {
	t.Parallel()
	c, _ := ownEtcd(t)
	one, never := newPrepared(target("v0").Digest), newPrepared(target("v0").Digest)
	close(one.hold)
	s := arrive(t, c, map[string]*prepared{"a": one, "b": never})
	k := newLink(t, c)
	m := newCommanded(t, "http://"+k.l.Addr().String(), "")
	lived(t, s, fleet.Wanted{}, []fleet.Rollout{done("1", "v0", "a", "b")})
	deploy, out := m.start("fleet", "rollback", "--to", "1")
	within(t, "a is ready", func() bool {
		v, err := s.View(t.Context())
		return err == nil && v.Votes["shop"]["a"].Stage == fleet.Ready
	})
	k.sever(true)
	m.must(deploy.Process.Signal(os.Interrupt))
	within(t, "it could not be asked", func() bool { return strings.Contains(out.String(), "asking again until it does") })
	k.sever(false)
	m.ends(deploy, out, exit.Interrupted, "nothing has changed on any host: interrupted by")
	if state, _, err := s.State(t.Context(), "shop"); err != nil || state.Rollout.Phase != fleet.Back {
		t.Errorf("%+v, %v", state.Rollout, err)
	}
}

// Who interrupts before anything was asked for is not told that etcd is away.
func TestInterruptBefore(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	m := newCommanded(t, "http://"+silent.Addr().String(), "")
	for _, c := range [][]string{{"fleet", "rollback"}, {"fleet", "status"}} {
		asking, out := m.start(c...)
		connection, err := silent.Accept() // it asks
		m.must(err)
		m.must(asking.Process.Signal(os.Interrupt))
		m.ends(asking, out, exit.Interrupted, "interrupted")
		if strings.Contains(out.String(), "does not answer") {
			t.Error(out)
		}
		_ = connection.Close()
	}
}

// What names no host must not mean all of them.
func TestWhoIsChosen(t *testing.T) {
	t.Parallel()
	c, s, agents := ready(t, "a", "b")
	m := newCommanded(t, c.Etcd.Endpoints[0], `, quorum: "50"`)
	lived(t, s, fleet.Wanted{All: target("v1")}, []fleet.Rollout{done("1", "v0", "a", "b"), done("2", "v1", "a", "b")})
	m.wantOn(agents, "a", "v1")
	m.relink(exit.Usage, "--hosts is empty", "fleet", "rollback", "--hosts", "")
	m.relink(exit.Usage, "--label is empty", "fleet", "rollback", "--label", " , ")
	m.relink(exit.Usage, "chosen", "fleet", "rollback", "--label", "role=canary", "--label", "role=web")
	m.relink(exit.Usage, `no host "x"`, "fleet", "rollback", "--hosts", "a,x")
	m.relink(exit.Done, "1 of 1 have to come along", "fleet", "rollback", "--hosts", "a", "--dry-run") // of 50, as configured
	m.relink(exit.Usage, "quorum", "fleet", "rollback", "--hosts", "a", "--quorum", "50")
}

// A host is taken out whatever it is in the fleet.
func TestRemove(t *testing.T) {
	t.Parallel()
	c, s, _ := ready(t, "a", "b")
	m := newCommanded(t, c.Etcd.Endpoints[0], "")
	member := func(name string) bool {
		v, err := s.View(t.Context())
		m.must(err)
		_, is := v.Members[name]
		return is
	}
	m.relink(exit.Done, "does not have the authority", "fleet", "remove", "b") // its agent runs
	if member("b") || !member("a") {
		t.Error("b is a member, or a is none")
	}
	m.must(os.MkdirAll(filepath.Join(m.dir, "fleet", "hosts"), 0o700))
	m.must(os.WriteFile(filepath.Join(m.dir, "fleet", "ca.key"), nil, 0o600))
	record := func(name string) string { return filepath.Join(m.dir, "fleet", "hosts", name+".pem") }
	for _, name := range []string{"a", "neither"} {
		m.must(os.WriteFile(record(name), nil, 0o600))
		m.relink(exit.Done, "certificate of "+name+" is not renewed any more", "fleet", "remove", name)
		if _, err := os.Stat(record(name)); err == nil || member(name) {
			t.Errorf("%s is left: %v", name, err)
		}
	}
	m.relink(exit.Usage, "no host", "fleet", "remove", "neither")
	m.must(os.WriteFile(filepath.Join(m.dir, "fleet", "ca.pem"), nil, 0o600))
	m.relink(exit.Usage, "no name", "fleet", "remove", "../ca")
	if _, err := os.Stat(filepath.Join(m.dir, "fleet", "ca.pem")); err != nil {
		t.Error(err)
	}
}

// One host that is away or late, where nobody has cut over: nothing has changed.
func TestNothingMoved(t *testing.T) {
	t.Parallel()
	c, _ := ownEtcd(t)
	one, never := newPrepared(target("v0").Digest), newPrepared(target("v0").Digest)
	close(one.hold)
	s := arrive(t, c, map[string]*prepared{"a": one, "b": never})
	m := newCommanded(t, c.Etcd.Endpoints[0], "")
	lived(t, s, fleet.Wanted{}, []fleet.Rollout{done("1", "v0", "a", "b")})
	deploy, out := m.start("--format", "json", "fleet", "rollback", "--to", "1")
	within(t, "a is ready", func() bool {
		v, err := s.View(t.Context())
		return err == nil && v.Votes["shop"]["a"].Stage == fleet.Ready
	})
	m.must(s.Change(t.Context(), "shop", func(state fleet.State) (fleet.State, bool) { return fleet.GiveUp(state, "enough") }))
	m.ends(deploy, out, exit.Failed, "nothing has changed on any host: enough")
	var report command.Report
	text := out.String()
	m.must(json.NewDecoder(strings.NewReader(text[strings.Index(text, "{"):])).Decode(&report))
	if v := report.Votes["a"]; v.Stage != fleet.Returned || v.Release != "" {
		t.Errorf("%+v", v)
	}
}
