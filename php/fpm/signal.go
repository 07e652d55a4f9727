package fpm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"

	"relink/internal/hint"
	"relink/internal/proc"
	"relink/internal/trust"

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
// its title, which names the configuration file, and that no other user has made.
func (m Master) identity(ctx context.Context) (start int64, err error) {
	p, err := process.NewProcessWithContext(ctx, int32(m.PID))
	if err != nil {
		return 0, fmt.Errorf("%w: it has ended", ErrNotMaster)
	}
	if start, err = p.CreateTimeWithContext(ctx); err != nil {
		return 0, fmt.Errorf("%w: it has ended", ErrNotMaster)
	}
	if uid, foreign, err := proc.Stranger(ctx, p); err != nil {
		return 0, fmt.Errorf("%w: it has ended", ErrNotMaster)
	} else if foreign {
		return 0, fmt.Errorf("%w: process %d belongs to %s", ErrNotMaster, m.PID, trust.UserName(uid))
	}
	if now := proc.Title(ctx, p); !masterTitle.MatchString(now) {
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
	owner := trust.UserName(m.UID)
	return hint.With(fmt.Errorf("%w: process %d belongs to %s, relink runs as %s", ErrNotPermitted, m.PID, owner, trust.UserName(os.Geteuid())),
		"run relink as root or as %s, or configure a `command` for its pool that you may run, such as [sudo, systemctl, reload, php8.2-fpm]", owner)
}
