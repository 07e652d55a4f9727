package fpm

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"relink/internal/proc"
)

// A worker that ends between the look and the signal leaves its pid to anybody. The
// pid is brought back by ns_last_pid, which only root may set: as root this is the
// real thing, else there is no process that an own signal could hit wrongly.
func TestNoSignalReachesAReusedPID(t *testing.T) {
	if os.Geteuid() != 0 || !amongOwnPIDs(t) {
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	master := exec.CommandContext(ctx, "/bin/bash", "-c", `exec -a "php-fpm: pool www" sleep 600 & echo $!; wait; echo gone; exec -a "php-fpm: master process (/x)" sleep 600`) // a fork might take the very pid
	master.Args[0] = "php-fpm: master process (/x)"
	master.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := master.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := master.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		syscall.Kill(-master.Process.Pid, syscall.SIGKILL)
		master.Wait()
	})
	pid, err := strconv.Atoi(lineOf(t, out))
	if err != nil {
		t.Fatal(err)
	}
	var send func(syscall.Signal) error
	for send == nil { // until bash has made itself the worker
		if send, err = holdWorker(ctx, master.Process.Pid, pid); ctx.Err() != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if lineOf(t, out) != "gone" {
		t.Fatal("the worker was not reaped")
	}
	startAs(ctx, t, pid, "sleep")
	if err := send(syscall.SIGKILL); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("a signal for the worker that has ended: %v", err)
	}
	if !proc.Alive(pid) {
		t.Error("another process was ended in its place")
	}
}

// The same of a master, while a reload waits for a quiet moment. Where the kernel has no
// pidfd (before 5.4, or denied in a container), only the start time tells two masters apart.
func TestNoReloadReachesAReusedPID(t *testing.T) {
	if os.Geteuid() != 0 || !amongOwnPIDs(t) {
		return
	}
	if os.Getenv(withoutPidfd) == "" {
		testAgain(t, withoutPidfd, 0)
	} else if err := denyPidfd(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	const title = "php-fpm: master process (/x)"
	first := exec.CommandContext(ctx, "/bin/sleep", "600")
	first.Args[0] = title
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	m := Master{PID: first.Process.Pid}
	started := beginOf(ctx, t, m)
	ask, err := m.signalling(ctx)
	if err != nil {
		t.Fatal(err)
	}
	first.Process.Kill()
	first.Wait()
	for now := started; now == started; { // a start time has a resolution of 10 ms
		end := startAs(ctx, t, m.PID, title)
		if now = beginOf(ctx, t, m); now == started {
			end()
		}
	}
	if err := ask(ctx); !errors.Is(err, ErrNotMaster) {
		t.Errorf("a reload of the master that has ended: %v", err)
	}
	if p, err := m.identity(ctx); err != nil || p == started {
		t.Errorf("another master was signalled in its place: %v", err)
	}
}

// beginOf is when the master was started, once the kernel shows its title.
func beginOf(ctx context.Context, t *testing.T, m Master) int64 {
	t.Helper()
	for {
		start, err := m.identity(ctx)
		if err == nil {
			return start
		}
		if ctx.Err() != nil {
			t.Fatal(err)
		}
	}
}

// The environment variables with which a test has started itself again.
const (
	withoutPidfd = "WITHOUT_PIDFD"
	ownPIDs      = "OWN_PIDS"
)

// amongOwnPIDs is false once the test has run in a namespace of pids, in which it is now
// where it is true. There nobody else takes the pid that is to come back, nor gets one
// that has just been a worker's.
func amongOwnPIDs(t *testing.T) bool {
	t.Helper()
	if os.Getenv(ownPIDs) == "" {
		testAgain(t, ownPIDs, unix.CLONE_NEWPID|unix.CLONE_NEWNS)
		return false
	}
	if os.Getpid() == 1 { // else /proc is its own already
		if err := errors.Join(unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""), unix.Mount("proc", "/proc", "proc", 0, "")); err != nil {
			t.Fatal(err)
		}
	}
	return true
}

// testAgain runs the test in a process with this variable, in new namespaces.
func testAgain(t *testing.T, variable string, namespaces uintptr) {
	t.Helper()
	again := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v")
	again.Env = append(os.Environ(), variable+"=1")
	again.SysProcAttr = &syscall.SysProcAttr{Cloneflags: namespaces}
	if out, err := again.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS") {
		t.Errorf("with %s: %v\n%s", variable, err, out)
	}
}

// denyPidfd has the kernel answer as one does that knows no pidfd_open.
func denyPidfd() error {
	rules := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS}, // the call's number
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_PIDFD_OPEN, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	program := unix.SockFprog{Len: uint16(len(rules)), Filter: &rules[0]}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&program)))
	if errno != 0 {
		return errno
	}
	return nil
}

// startAs starts a process that has this pid and title. A shell does it, which has one
// thread: one of this program would keep the pid for good where it came first.
func startAs(ctx context.Context, t *testing.T, pid int, title string) (end func()) {
	t.Helper()
	for ctx.Err() == nil { // whoever forks meanwhile takes the pid
		shell := exec.Command("/bin/bash", "-c", `echo "$1" >/proc/sys/kernel/ns_last_pid; exec -a "$2" sleep 600 & echo $!; wait`, "bash", strconv.Itoa(pid-1), title)
		out, err := shell.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := shell.Start(); err != nil {
			t.Fatal(err)
		}
		got, err := strconv.Atoi(lineOf(t, out))
		if err != nil {
			t.Fatal(err)
		}
		end := func() {
			syscall.Kill(got, syscall.SIGKILL)
			shell.Wait()
		}
		if got == pid {
			t.Cleanup(end)
			return end
		}
		end()
	}
	t.Fatalf("pid %d cannot be had", pid)
	return nil
}

func lineOf(t *testing.T, from interface{ Read([]byte) (int, error) }) string {
	t.Helper()
	var line strings.Builder
	for b := make([]byte, 1); ; {
		if _, err := from.Read(b); err != nil {
			t.Fatal(err)
		}
		if b[0] == '\n' {
			return line.String()
		}
		line.Write(b)
	}
}
