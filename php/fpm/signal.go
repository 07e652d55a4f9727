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
)

// signalling finds the master's process, checks that the caller may signal it, and
// gives what reloads it: SIGUSR2, if the process still is what it was. The handle is a
// pidfd where the kernel has them (from 5.4 on), so that the signal cannot reach a
// process that has taken over the pid; elsewhere the start time tells another master.
func (m Master) signalling(ctx context.Context) (ask func(context.Context) error, err error) {
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
	return func(ctx context.Context) error {
		defer handle.Release()
		now, err := m.identity(ctx)
		if err != nil {
			return err
		}
		if now != start {
			return fmt.Errorf("%w: process %d was started meanwhile", ErrNotMaster, m.PID)
		}
		if err := handle.Signal(syscall.SIGUSR2); err != nil {
			return m.refused(err)
		}
		return nil
	}, nil
}

// identity gives the start time (ms since the epoch) of the process that has the
// master's pid and its title, which names the configuration file, and that no other
// user has made.
func (m Master) identity(ctx context.Context) (start int64, err error) {
	p := proc.Of(m.PID)
	if start, err = p.CreateTimeWithContext(ctx); err != nil {
		return 0, fmt.Errorf("%w: it has ended", ErrNotMaster)
	}
	uid, foreign, err := proc.Stranger(ctx, p)
	title := proc.Title(p)
	switch {
	case err != nil:
		return 0, fmt.Errorf("%w: it has ended", ErrNotMaster)
	case foreign:
		return 0, fmt.Errorf("%w: process %d belongs to %s", ErrNotMaster, m.PID, trust.UserName(uid))
	case !masterTitle.MatchString(title):
		return 0, fmt.Errorf("%w: process %d is %q", ErrNotMaster, m.PID, title)
	}
	return start, nil
}

func (m Master) refused(err error) error {
	if !errors.Is(err, syscall.EPERM) {
		return fmt.Errorf("%w: %w", ErrNotMaster, err)
	}
	owner := trust.UserName(m.UID)
	return hint.With(fmt.Errorf("%w: process %d belongs to %s, relink runs as %s", ErrNotPermitted, m.PID, owner, trust.UserName(os.Geteuid())),
		"run relink as root or as %s, or configure a `command` for its pool that you may run, such as [sudo, systemctl, reload, php8.2-fpm]", owner)
}
