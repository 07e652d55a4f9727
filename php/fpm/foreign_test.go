package fpm_test

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"relink/internal/sandbox"
	"relink/php/fpm"
)

const nobody = 65534

// titled runs a program with a title of its own choosing, as a user or as the caller.
func titled(t *testing.T, program, title string, uid uint32, args ...string) int {
	t.Helper()
	cmd := exec.Command(program)
	cmd.Args = append([]string{title}, args...)
	if uid != 0 {
		if os.Geteuid() != 0 {
			t.Fatal("only root can start another user's process")
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	return cmd.Process.Pid
}

// Any user may call his process a master: it is told, is no error for the pools of
// the others, and nothing that it names is run.
func TestForeignMastersAreLeftOut(t *testing.T) {
	p := platform{}.start(t, sandbox.Master{Pools: []sandbox.Pool{{Name: "www", Workers: 1}}})
	cut := titled(t, "/bin/sleep", "php-fpm: master process (/x", nobody, "600")
	whole := titled(t, "/bin/sleep", "php-fpm: master process (/etc/fpm.conf)", nobody, "600")
	sudo := titled(t, "/bin/sleep", "php-fpm: master process (/etc/fpm.conf)", 0, "600") // root's, as sudo is
	masterOf(t, p)
	for _, m := range check[[]fpm.Master](t)(fpm.Masters(withTimeout(t))) {
		if slices.Contains([]int{cut, whole, sudo}, m.PID) {
			t.Errorf("%+v is taken for a master", m)
		}
	}
	notes := check[[]string](t)(fpm.Foreign(withTimeout(t)))
	for _, pid := range []int{cut, whole} {
		if !slices.ContainsFunc(notes, func(note string) bool {
			return strings.Contains(note, fmt.Sprintf("FPM master %d belongs to nobody", pid))
		}) {
			t.Errorf("nothing is told of %d: %q", pid, notes)
		}
	}
}

// A liar's pool names pids; a signal goes to nothing but a worker of a real master.
func TestOnlyRealWorkersAreEnded(t *testing.T) {
	p := platform{}.start(t, sandbox.Master{Pools: []sandbox.Pool{{Name: "www", Workers: 1}}})
	m := masterOf(t, p)
	plain := titled(t, "/bin/sleep", "sleep", 0, "600")
	called := titled(t, "/bin/sleep", "php-fpm: pool evil", 0, "600")
	const child = `exec -a "php-fpm: pool evil" sleep 600 & echo $!; wait`
	fake := exec.Command("/bin/bash")
	fake.Args = []string{"php-fpm: master process (/x)", "-c", child}
	fake.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}, Setpgid: true}
	out := check[interface{ Read([]byte) (int, error) }](t)(fake.StdoutPipe())
	if err := fake.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		syscall.Kill(-fake.Process.Pid, syscall.SIGKILL)
		fake.Wait()
	})
	var liars int
	if _, err := fmt.Fscan(out, &liars); err != nil {
		t.Fatal(err)
	}
	for name, one := range map[string][2]int{
		"child of the caller": {os.Getpid(), plain}, "titled child of the caller": {os.Getpid(), called},
		"another's child, called a worker": {m.PID, called}, "worker of a foreign master": {fake.Process.Pid, liars},
	} {
		if got := fpm.MasterOf(withTimeout(t), one[1], one[0]); got != 0 {
			t.Errorf("%s: its master is %d", name, got)
		}
		if err := fpm.EndWorker(withTimeout(t), one[0], one[1]); err == nil {
			t.Errorf("%s: it was signalled", name)
		}
		if err := syscall.Kill(one[1], 0); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if worker := p.pids()[0]; fpm.MasterOf(withTimeout(t), worker, m.PID) != m.PID {
		t.Errorf("worker %d has no master", worker)
	}
}

// What a program prints is bounded, and it ends at the bound.
func TestFloodOfAConfigurationTestEnds(t *testing.T) {
	flood := t.TempDir() + "/php-fpm"
	if err := os.WriteFile(flood, []byte("#!/bin/sh\nexec yes >&2\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	m := fpm.Master{PID: os.Getpid(), UID: os.Geteuid(), GID: os.Getegid(), Exe: flood, Root: "/", Config: "/etc/fpm.conf"}
	if _, err := m.Settings(withTimeout(t)); err == nil || !strings.Contains(err.Error(), "prints more than") {
		t.Error(err)
	}
}
