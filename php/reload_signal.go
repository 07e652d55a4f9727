package php

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"strings"
	"syscall"
	"time"

	"relink/internal/hint"

	"github.com/shirou/gopsutil/v3/process"
)

// signalTarget is a master that is known to be the one that was asked for. The
// handle is a pidfd where the kernel has them, so that the signal cannot reach
// a process that has taken over the pid.
type signalTarget struct {
	master Master
	handle *os.Process
	start  int64 // ms since the epoch
}

// target finds the master's process and checks that the caller may signal it.
func (m Master) target(ctx context.Context) (*signalTarget, error) {
	handle, err := os.FindProcess(m.PID)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotMaster, err)
	}
	start, err := m.identity(ctx)
	if err != nil {
		return nil, err
	}
	if err := handle.Signal(syscall.Signal(0)); err != nil {
		return nil, m.refused(err)
	}
	return &signalTarget{master: m, handle: handle, start: start}, nil
}

// identity gives the start time of the process that has the master's pid and
// its title. The title names the configuration file.
func (m Master) identity(ctx context.Context) (start int64, err error) {
	p, err := process.NewProcessWithContext(ctx, int32(m.PID))
	if err != nil {
		return 0, fmt.Errorf("%w: it has ended", ErrNotMaster)
	}
	if start, err = p.CreateTimeWithContext(ctx); err != nil {
		return 0, fmt.Errorf("%w: it has ended", ErrNotMaster)
	}
	if now := title(ctx, p); !masterTitle.MatchString(now) {
		return 0, fmt.Errorf("%w: process %d is %q", ErrNotMaster, m.PID, now)
	}
	return start, nil
}

// reload sends SIGUSR2 if the process still is what it was.
func (t *signalTarget) reload(ctx context.Context) error {
	defer t.handle.Release()
	start, err := t.master.identity(ctx)
	if err != nil {
		return err
	}
	if start != t.start {
		return fmt.Errorf("%w: process %d was started meanwhile", ErrNotMaster, t.master.PID)
	}
	if err := t.handle.Signal(syscall.SIGUSR2); err != nil {
		return t.master.refused(err)
	}
	return nil
}

func (m Master) refused(err error) error {
	if !errors.Is(err, syscall.EPERM) {
		return fmt.Errorf("%w: %w", ErrNotMaster, err)
	}
	owner := userName(m.UID)
	return hint.With(fmt.Errorf("%w: process %d belongs to %s, relink runs as %s", ErrNotPermitted, m.PID, owner, userName(os.Geteuid())),
		"run relink as root or as %s, or configure a `command` for its pool that you may run, such as [sudo, systemctl, reload, php8.2-fpm]", owner)
}

func userName(uid int) string {
	if found, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return found.Username
	}
	return "user " + strconv.Itoa(uid)
}

// commandOutput bounds what is shown of a command that failed, in bytes.
const commandOutput = 4 << 10

// runCommand runs a command without a shell, in a process group of its own so
// that whatever it has started ends with it when its time is up.
func runCommand(ctx context.Context, command []string) error {
	printed, err := commandResult(ctx, command)
	if err == nil {
		return nil
	}
	err = fmt.Errorf("%s: %w", strings.Join(command, " "), err)
	if text := strings.TrimSpace(string(printed)); text != "" {
		err = fmt.Errorf("%w: %s", err, text)
	}
	return hint.With(err, "run the command by hand to see what it needs")
}

func commandResult(ctx context.Context, command []string) (printed []byte, err error) {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	var out tailBuffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.Dir, cmd.WaitDelay = "/", time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	err = cmd.Run()
	if ctx.Err() != nil {
		err = fmt.Errorf("ended after its time was up: %w", context.Cause(ctx))
	}
	return out.Bytes(), err
}

// tailBuffer keeps the last commandOutput bytes that were written.
type tailBuffer struct{ bytes.Buffer }

func (b *tailBuffer) Write(data []byte) (int, error) {
	n, err := b.Buffer.Write(data)
	if over := b.Len() - commandOutput; over > 0 {
		b.Next(over)
	}
	return n, err
}
