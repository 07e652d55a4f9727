package fpm_test

import (
	"os"
	"slices"
	"testing"

	"relink/fcgi"
	"relink/internal/proc"
	"relink/internal/sandbox"
	"relink/php"
	"relink/php/fpm"

	"github.com/google/go-cmp/cmp"
)

// masterOf finds the test's own master among those of the machine.
func masterOf(t *testing.T, p pool) fpm.Master {
	t.Helper()
	pid := p.server.Pool("").MasterPID
	masters := check[[]fpm.Master](t)(fpm.Masters(withTimeout(t)))
	i := slices.IndexFunc(masters, func(m fpm.Master) bool { return m.PID == pid })
	if i < 0 {
		t.Fatalf("master %d is not among %+v", pid, masters)
	}
	for _, m := range masters {
		pids, err := p.server.WorkerPIDs("")
		if err != nil || slices.Contains(pids, m.PID) {
			t.Errorf("worker %d passes for a master (%v)", m.PID, err)
		}
	}
	return masters[i]
}

func TestMasters(t *testing.T) { testMasters(t, platform{}) }

func testMasters(t *testing.T, on platform) {
	p := on.start(t, sandbox.Master{Pools: []sandbox.Pool{
		{Name: "www", Workers: 2}, {Name: "other.pool", Workers: 1, TCP: true, NoStatusPage: true},
	}})
	m := masterOf(t, p)
	root := on.root
	if root == "" {
		root = "/"
	}
	if m.Problem != nil || m.UID != os.Geteuid() || m.GID != os.Getegid() || m.Root != root || m.Config != p.server.Root()+"/conf/php.conf" {
		t.Errorf("%+v", m)
	}
	worker := check[php.Worker](t)(p.Ping(withTimeout(t)))
	if parent := check[int](t)(proc.Parent(withTimeout(t), worker.PID)); parent != m.PID {
		t.Errorf("parent %d, want %d", parent, m.PID)
	}
	workers := check[map[string][]int](t)(fpm.Workers(withTimeout(t), m.PID))
	for _, name := range []string{"www", "other.pool"} {
		want := check[[]int](t)(p.server.WorkerPIDs(name))
		slices.Sort(want)
		slices.Sort(workers[name])
		if diff := cmp.Diff(want, workers[name]); diff != "" {
			t.Error(name, diff)
		}
	}
	wantPools(t, p, m)
}

func wantPools(t *testing.T, p pool, m fpm.Master) {
	t.Helper()
	var want []php.Pool
	for _, info := range p.server.Pools() {
		address, err := fcgi.ParseAddress(info.Address)
		if err != nil {
			t.Fatal(err)
		}
		one := php.Pool{Name: info.Name, Address: address, StatusPath: info.StatusPath, AgentDir: php.DefaultAgentDir}
		if m.Root != "/" {
			one.PathMap, one.AgentDir = php.PathMap{{Host: m.Root, Pool: "/"}}, m.Root+php.DefaultAgentDir
		}
		want = append(want, one)
	}
	if diff := cmp.Diff(want, check[[]php.Pool](t)(m.Pools(withTimeout(t)))); diff != "" {
		t.Error(diff)
	}
	all, _ := fpm.Pools(withTimeout(t)) // the error is about masters of others
	for _, one := range want {
		if !slices.ContainsFunc(all, func(p php.Pool) bool { return cmp.Equal(p, one) }) {
			t.Errorf("%+v is not among %+v", one, all)
		}
	}
}

// FPM prints its configuration at the level "notice".
func TestPoolsOfAQuietMaster(t *testing.T) {
	p := platform{}.start(t, sandbox.Master{Settings: map[string]string{"log_level": "error"}})
	wantPools(t, p, masterOf(t, p))
}

func TestPoolInAChroot(t *testing.T) {
	root := tempRoot(t)
	if os.Geteuid() != 0 {
		return // only root can start such a pool
	}
	p := platform{}.startIn(t, root, sandbox.Master{Pools: []sandbox.Pool{
		{Name: "www", Workers: 1, Settings: map[string]string{"chroot": root}},
	}})
	pools := check[[]php.Pool](t)(masterOf(t, p).Pools(withTimeout(t)))
	if len(pools) != 1 || pools[0].AgentDir != root+php.DefaultAgentDir {
		t.Fatalf("%+v", pools)
	}
	agent := check[*php.Agent](t)(php.NewAgent(pools[0]))
	check[php.Worker](t)(agent.Ping(withTimeout(t)))
}

func TestWorkersOfNoMaster(t *testing.T) {
	p := platform{}.start(t, sandbox.Master{})
	pid := p.server.Pool("").MasterPID
	if err := p.server.StopMaster("php"); err != nil {
		t.Fatal(err)
	}
	if workers, err := fpm.Workers(withTimeout(t), pid); err == nil {
		t.Errorf("%v", workers)
	}
	if _, err := proc.Parent(withTimeout(t), pid); err == nil {
		t.Error("an ended process has a parent")
	}
}
