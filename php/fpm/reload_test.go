package fpm_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"relink/fcgi"
	"relink/internal/hint"
	"relink/internal/sandbox"
	"relink/internal/sandbox/load"
	"relink/php"
	"relink/php/fpm"
)

// graceful is a master that lets requests end before its workers do.
func graceful(pools ...sandbox.Pool) sandbox.Master {
	return sandbox.Master{Settings: map[string]string{"process_control_timeout": "10s"}, Pools: pools}
}

func (p pool) pids() []int {
	p.t.Helper()
	pids := check[[]int](p.t)(p.server.WorkerPIDs(""))
	slices.Sort(pids)
	return pids
}

func (p pool) wantUntouched(before []int) {
	p.t.Helper()
	if now := p.pids(); !slices.Equal(now, before) {
		p.t.Errorf("workers %v became %v", before, now)
	}
}

func wantReason(t *testing.T, err, want error, texts ...string) {
	t.Helper()
	if !errors.Is(err, want) || len(hint.Of(err)) == 0 {
		t.Fatalf("%v (hints %q), want %v", err, hint.Of(err), want)
	}
	all := err.Error() + "\n" + strings.Join(hint.Of(err), "\n")
	for _, text := range texts {
		if !strings.Contains(all, text) {
			t.Errorf("%s\ndoes not tell %q", all, text)
		}
	}
}

func TestReloadIsProven(t *testing.T) {
	p := platform{}.start(t, graceful(
		sandbox.Pool{Name: "www", Workers: 2}, sandbox.Pool{Name: "other", Workers: 1, TCP: true, NoStatusPage: true}))
	script := p.write("r/a.php", "<?php echo 'a';")
	p.get(script)
	before := p.pids()
	got := check[int](t)(fpm.Reload(withTimeout(t), masterOf(t, p), fpm.ReloadOptions{Pools: []php.Pool{p.Pool()}}))
	if got != p.server.Pool("").MasterPID || len(p.pids()) < 1 {
		t.Errorf("%+v", got)
	}
	for _, pid := range p.pids() {
		if slices.Contains(before, pid) {
			t.Errorf("worker %d is an old one", pid)
		}
	}
	for _, s := range check[[]php.Script](t)(p.Scripts(withTimeout(t), nil)) {
		if s.Path == script {
			t.Error("the OPcache is the old one")
		}
	}
	p.wantBody(script, "a")
}

func TestReloadRefusedWhereItKills(t *testing.T) {
	p := platform{}.start(t, sandbox.Master{})
	before, m := p.pids(), masterOf(t, p)
	_, err := fpm.Reload(withTimeout(t), m, fpm.ReloadOptions{Pools: []php.Pool{p.Pool()}})
	wantReason(t, err, fpm.ErrKillsRequests, "process_control_timeout is 0", "set process_control_timeout = 10s", m.Config)
	p.wantUntouched(before)
	check[int](t)(fpm.Reload(withTimeout(t), m, fpm.ReloadOptions{Pools: []php.Pool{p.Pool()}, Force: true}))
	if slices.Equal(p.pids(), before) {
		t.Error("the workers are the old ones")
	}
}

// What the file says now is not what a master runs with that read it before.
func TestReloadRefusedWhereTheFileIsNewer(t *testing.T) {
	p := platform{}.start(t, graceful())
	before, m := p.pids(), masterOf(t, p)
	p.touch(m.Config, time.Minute)
	_, err := fpm.Reload(withTimeout(t), m, fpm.ReloadOptions{Pools: []php.Pool{p.Pool()}})
	wantReason(t, err, fpm.ErrKillsRequests, "was changed", "10s", "reload PHP-FPM once")
	p.wantUntouched(before)
}

func TestReloadOfAQuietMaster(t *testing.T) {
	quiet := graceful()
	quiet.Settings["log_level"] = "error"
	p := platform{}.start(t, quiet)
	m := masterOf(t, p)
	if got := check[fpm.Settings](t)(m.Settings(withTimeout(t))); got.ControlTimeout != 10*time.Second {
		t.Errorf("%+v", got)
	}
	check[int](t)(fpm.Reload(withTimeout(t), m, fpm.ReloadOptions{Pools: []php.Pool{p.Pool()}}))
}

// FPM would end: by the time that it reads its configuration, there is nothing left to go back to.
func TestReloadRefusedWithBrokenConfiguration(t *testing.T) {
	p := platform{}.start(t, graceful())
	before, m := p.pids(), masterOf(t, p)
	spoil(t, m.Config)
	_, err := fpm.Reload(withTimeout(t), m, fpm.ReloadOptions{Pools: []php.Pool{p.Pool()}, Force: true})
	wantReason(t, err, fpm.ErrBadConfig, "unknown entry 'garbage'", m.Config)
	p.wantUntouched(before)
}

// The value of a variable is in the environment of the master, which its title has
// overwritten: that -tt refuses the file without it says nothing of the file.
func TestConfigurationWithVariablesIsNotJudged(t *testing.T) {
	p := platform{}.start(t, graceful())
	before, m := p.pids(), masterOf(t, p)
	text := check[[]byte](t)(os.ReadFile(m.Config))
	listen := regexp.MustCompile(`(?m)^listen *=.*$`)
	if !listen.Match(text) {
		t.Fatalf("no listen in %s", text)
	}
	if err := os.WriteFile(m.Config, listen.ReplaceAll(text, []byte("listen = $${FPM_LISTEN}")), 0); err != nil {
		t.Fatal(err)
	}
	_, err := fpm.Reload(withTimeout(t), m, fpm.ReloadOptions{Pools: []php.Pool{p.Pool()}, Force: true})
	wantReason(t, err, fpm.ErrEnvironment, "${FPM_LISTEN}", "`command`")
	if errors.Is(err, fpm.ErrBadConfig) {
		t.Errorf("a file that is well is refused: %v", err)
	}
	p.wantUntouched(before)
}

func spoil(t *testing.T, config string) {
	t.Helper()
	f, err := os.OpenFile(config, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = f.WriteString("garbage = 1\n"); errors.Join(err, f.Close()) != nil {
		t.Fatal(err)
	}
}

func TestReloadThatDoesNotComeBack(t *testing.T) {
	p := platform{}.start(t, graceful())
	m := masterOf(t, p)
	// The configuration breaks between the test of it and the reload.
	script := fmt.Sprintf("echo 'garbage = 1' >> '%s' && kill -USR2 %d", m.Config, m.PID)
	_, err := fpm.Reload(withTimeout(t), m, fpm.ReloadOptions{Pools: []php.Pool{p.Pool()}, Command: []string{"/bin/sh", "-c", script}})
	wantReason(t, err, fpm.ErrNotBack, "the master has ended", "unknown entry 'garbage'", p.server.FPMLog(), "start PHP-FPM again")
	if strings.Contains(err.Error(), "process_control_timeout = ") {
		t.Error("what the log held before is shown as well: ", err)
	}
}

func TestReloadByCommand(t *testing.T) {
	p := platform{}.start(t, graceful())
	m := masterOf(t, p)
	command := []string{"/bin/kill", "-USR2", strconv.Itoa(m.PID)}
	for name, master := range map[string]fpm.Master{"seen": m, "in a container": {}} {
		if name == "in a container" {
			awaitNextSecond(t, p) // all that tells it then is the second of OPcache's start
		}
		before := p.pids()
		got, err := fpm.Reload(withTimeout(t), master, fpm.ReloadOptions{Pools: []php.Pool{p.Pool()}, Command: command})
		if err != nil || slices.Equal(p.pids(), before) {
			t.Errorf("%s: %+v %v", name, got, err)
		}
	}
}

func awaitNextSecond(t *testing.T, p pool) {
	t.Helper()
	start := check[php.Status](t)(p.Status(withTimeout(t))).Statistics.StartTime
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !time.Now().After(start.Add(time.Second)) {
		<-tick.C
	}
}

func TestReloadByCommandThatFails(t *testing.T) {
	p := platform{}.start(t, graceful())
	before := p.pids()
	for _, tt := range []struct {
		command []string
		limit   time.Duration
		text    string
	}{
		{[]string{"/bin/sh", "-c", "echo no such unit >&2; exit 5"}, 0, "exit status 5: no such unit"},
		{[]string{"/no/such/program"}, 0, "no such file"},
		{[]string{"/bin/sh", "-c", "sleep 300 & wait"}, time.Second, "its time was up"},
	} {
		_, err := fpm.Reload(withTimeout(t), masterOf(t, p), fpm.ReloadOptions{Command: tt.command, Limit: tt.limit, Pools: []php.Pool{p.Pool()}})
		if err == nil || !strings.Contains(err.Error(), tt.text) || !strings.Contains(err.Error(), tt.command[0]) {
			t.Errorf("%v does not tell %q", err, tt.text)
		}
	}
	p.wantUntouched(before)
}

func TestReloadThatACommandDoesNotDo(t *testing.T) {
	p := platform{}.start(t, graceful())
	_, err := fpm.Reload(withTimeout(t), masterOf(t, p), fpm.ReloadOptions{Command: []string{"/bin/true"}, Limit: 2 * time.Second, Pools: []php.Pool{p.Pool()}})
	wantReason(t, err, fpm.ErrNotBack, "old worker")
}

func TestReloadNeedsACommand(t *testing.T) {
	p := platform{}.start(t, graceful())
	before, m := p.pids(), masterOf(t, p)
	_, err := fpm.Reload(withTimeout(t), fpm.Master{}, fpm.ReloadOptions{Pools: []php.Pool{p.Pool()}})
	wantReason(t, err, fpm.ErrNeedsCommand, "container", "`command`")
	m.Problem = errors.New("its root folder cannot be reached")
	_, err = fpm.Reload(withTimeout(t), m, fpm.ReloadOptions{Pools: []php.Pool{p.Pool()}})
	wantReason(t, err, fpm.ErrNeedsCommand, "its root folder cannot be reached", "`command`")
	p.wantUntouched(before)
}

func TestReloadOfAnotherProcess(t *testing.T) {
	p := platform{}.start(t, graceful())
	m := masterOf(t, p)
	m.PID = os.Getpid() // SIGUSR2 would end the test
	if _, err := fpm.Reload(withTimeout(t), m, fpm.ReloadOptions{Pools: []php.Pool{p.Pool()}}); !errors.Is(err, fpm.ErrNotMaster) {
		t.Error(err)
	}
}

// The test binary runs this test once more as a user who may not signal the master.
func TestReloadNotPermitted(t *testing.T) {
	const variable = "RELINK_TEST_MASTER"
	if pid, err := strconv.Atoi(os.Getenv(variable)); err == nil {
		masters, _ := fpm.Masters(t.Context())
		i := slices.IndexFunc(masters, func(m fpm.Master) bool { return m.PID == pid })
		_, err := fpm.Reload(t.Context(), masters[i], fpm.ReloadOptions{})
		t.Fatal(err, hint.Of(err))
	}
	if os.Geteuid() != 0 {
		return // every master that an ordinary user can start is one that this user may signal
	}
	p := platform{}.start(t, graceful())
	before := p.pids()
	binary := copyOfTest(t)
	cmd := exec.CommandContext(withTimeout(t), binary, "-test.run=^TestReloadNotPermitted$")
	cmd.Dir, cmd.Env = "/", append(os.Environ(), variable+"="+strconv.Itoa(p.server.Pool("").MasterPID))
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	printed, _ := cmd.CombinedOutput()
	for _, text := range []string{
		fpm.ErrNotPermitted.Error(), fmt.Sprintf("process %d belongs to root, relink runs as nobody", p.server.Pool("").MasterPID),
		"run relink as root", "or configure a `command`",
	} {
		if !strings.Contains(string(printed), text) {
			t.Errorf("%s\ndoes not tell %q", printed, text)
		}
	}
	p.wantUntouched(before)
}

// copyOfTest puts the test binary where every user can run it.
func copyOfTest(t *testing.T) string {
	t.Helper()
	self := check[string](t)(os.Executable())
	in := check[*os.File](t)(os.Open(self))
	defer in.Close()
	path := filepath.Join(tempRoot(t), "php.test")
	out := check[*os.File](t)(os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o755))
	_, err := io.Copy(out, in)
	if err := errors.Join(err, out.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

// FPM as a daemon forks again when it has read its configuration, and has another pid then.
func TestReloadOfADaemon(t *testing.T) {
	root := tempRoot(t)
	binary := check[string](t)(sandbox.FindFPM("/"))
	config, pidFile, socket := root+"/fpm.conf", root+"/fpm.pid", root+"/www.sock"
	text := fmt.Sprintf("[global]\npid=%s\nerror_log=%s/fpm.log\nprocess_control_timeout=10\n[www]\nlisten=%s\npm=static\npm.max_children=1\n", pidFile, root, socket)
	if os.Geteuid() == 0 {
		text += "user=nobody\ngroup=nogroup\n"
	}
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { endDaemon(t, config) })
	if printed, err := exec.CommandContext(withTimeout(t), binary, "-D", "-y", config).CombinedOutput(); err != nil {
		t.Fatal(err, string(printed))
	}
	m, ok := masterWith(t, config)
	if !ok {
		t.Fatal("the daemon is not among the masters")
	}
	agentDir := filepath.Join(root, "agent")
	if err := os.Mkdir(agentDir, 0o755); err != nil {
		t.Fatal(err)
	}
	address := check[fcgi.Address](t)(fcgi.ParseAddress(socket))
	got := check[int](t)(fpm.Reload(withTimeout(t), m, fpm.ReloadOptions{Pools: []php.Pool{{Address: address, AgentDir: agentDir}}}))
	if now, _ := masterWith(t, config); got == m.PID || got != now.PID {
		t.Errorf("%+v, was %d, is %d", got, m.PID, now.PID)
	}
}

func masterWith(t *testing.T, config string) (fpm.Master, bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience) // also used after the test
	defer cancel()
	masters := check[[]fpm.Master](t)(fpm.Masters(ctx))
	i := slices.IndexFunc(masters, func(m fpm.Master) bool { return m.Config == config })
	if i < 0 {
		return fpm.Master{}, false
	}
	return masters[i], true
}

func endDaemon(t *testing.T, config string) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for range 1000 {
		m, runs := masterWith(t, config)
		if !runs {
			return
		}
		_ = syscall.Kill(m.PID, syscall.SIGTERM)
		<-tick.C
	}
	t.Error("the daemon does not end")
}

func TestReloadUnderLoad(t *testing.T) {
	root := tempRoot(t)
	files := pool{t: t, www: root}
	files.write("www/index.php", "<?php echo 'v1';")
	server, err := sandbox.Start(withTimeout(t), sandbox.Options{Root: root + "/s", Masters: []sandbox.Master{graceful(sandbox.Pool{Name: "www", Workers: 4})},
		Sites: []sandbox.Site{{Host: "club1.test", DocumentRoot: root + "/www"}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	p := pool{Agent: newAgent(t, server, server.AgentDir()), t: t, server: server}
	running := check[*load.Load](t)(load.Run(withTimeout(t), load.Options{URL: server.URL(), Hosts: []string{"club1.test"}, Clients: 3}))
	defer running.Stop()
	awaitAnswers(t, running, 50)
	check[int](t)(fpm.Reload(withTimeout(t), masterOf(t, p), fpm.ReloadOptions{Pools: []php.Pool{p.Pool()}}))
	awaitAnswers(t, running, running.Result().Requests+50)
	if result := running.Stop(); result.Errors != 0 {
		t.Errorf("%d of %d requests failed: %q", result.Errors, result.Requests, result.Described)
	}
}

func awaitAnswers(t *testing.T, running *load.Load, n int) {
	t.Helper()
	ctx := withTimeout(t)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for running.Result().Requests < n {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%d answers, want %d", running.Result().Requests, n)
		}
	}
}
