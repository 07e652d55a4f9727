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

	"relink/internal/proc"
)

// A worker that ends between the look and the signal leaves its pid to anybody. The
// pid is brought back by ns_last_pid, which only root may set: as root this is the
// real thing, else there is no process that an own signal could hit wrongly.
func TestNoSignalReachesAReusedPID(t *testing.T) {
	if os.Geteuid() != 0 {
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	master := exec.CommandContext(ctx, "/bin/bash", "-c", `exec -a "php-fpm: pool www" sleep 600 & echo $!; wait; echo gone; sleep 600 & wait`)
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
	other := startAs(ctx, t, pid)
	if err := send(syscall.SIGKILL); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("a signal for the worker that has ended: %v", err)
	}
	if !proc.Alive(other.Pid) {
		t.Error("another process was ended in its place")
	}
}

// startAs starts a process that has this pid.
func startAs(ctx context.Context, t *testing.T, pid int) *os.Process {
	t.Helper()
	for ctx.Err() == nil { // whoever forks meanwhile takes the pid
		if err := os.WriteFile("/proc/sys/kernel/ns_last_pid", []byte(strconv.Itoa(pid-1)), 0); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("/bin/sleep", "600")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		end := func() {
			cmd.Process.Kill()
			cmd.Wait()
		}
		if cmd.Process.Pid == pid {
			t.Cleanup(end)
			return cmd.Process
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
