package fpm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"syscall"

	"relink/internal/hint"
	"relink/internal/proc"
	"relink/internal/trust"
)

// workerTitle is what FPM sets once a worker is ready for requests.
var workerTitle = regexp.MustCompile(`^php-fpm: pool (.+)$`)

// Workers lists the pids of a master's workers by the name of their pool. Of the title of a
// process at most 8 KiB are read.
func Workers(ctx context.Context, masterPID int) (map[string][]int, error) {
	if !proc.Alive(masterPID) {
		return nil, fmt.Errorf("workers of FPM master %d: %w", masterPID, syscall.ESRCH)
	}
	children, err := proc.Children(ctx, masterPID)
	if err != nil {
		return nil, fmt.Errorf("workers of FPM master %d: %w", masterPID, err)
	}
	workers := map[string][]int{}
	for _, p := range children {
		if found := workerTitle.FindStringSubmatch(proc.Title(p)); found != nil {
			workers[found[1]] = append(workers[found[1]], int(p.Pid))
		}
	}
	return workers, ctx.Err()
}

// MasterOf gives the FPM master of a worker that has answered with this pid and
// parent, or 0; a parent of 0 is not known. The process table decides, not what was
// answered: a pool in a container has pids of its own, which mean other processes
// here, and a pool of another user may name any. Of the title of a process at most 8 KiB
// are read.
func MasterOf(ctx context.Context, pid, parent int) int {
	real, err := proc.Parent(ctx, pid)
	if err != nil || (parent != 0 && parent != real) || isWorker(ctx, pid, real) != nil {
		return 0
	}
	return real
}

// isWorker tells why a process is no worker of the master: it has to be a child with a
// worker's title, and its parent a master that only root or the caller can have started.
func isWorker(ctx context.Context, pid, masterPID int) error {
	worker := proc.Of(pid)
	parent, err := worker.PpidWithContext(ctx)
	if err != nil {
		return err
	}
	if int(parent) != masterPID || !workerTitle.MatchString(proc.Title(worker)) {
		return fmt.Errorf("process %d is no worker of FPM master %d", pid, masterPID)
	}
	_, err = Master{PID: masterPID}.identity(ctx)
	return err
}

// EndWorker has a worker of the master end when it has answered the request that it
// is in, as a reload of FPM does to all of them (SIGQUIT, fpm_signals.c). It takes
// no further one, and the master starts another in its place. Of each title at most 8 KiB
// are read.
func EndWorker(ctx context.Context, masterPID, pid int) error {
	return signalWorker(ctx, masterPID, pid, syscall.SIGQUIT)
}

// MayEnd tells why the caller may not end a worker, before it has to be ended. Of each
// title at most 8 KiB are read.
func MayEnd(ctx context.Context, masterPID, pid int) error {
	return signalWorker(ctx, masterPID, pid, 0)
}

func signalWorker(ctx context.Context, masterPID, pid int, signal syscall.Signal) error {
	send, err := holdWorker(ctx, masterPID, pid)
	if err == nil {
		err = send(signal)
	}
	if err != nil {
		return fmt.Errorf("end worker %d: %w", pid, err)
	}
	return nil
}

// holdWorker takes hold of the process before it looks what that is, so that what it
// sends, once, cannot reach one that has taken over the pid (os.FindProcess: a pidfd).
func holdWorker(ctx context.Context, masterPID, pid int) (send func(syscall.Signal) error, err error) {
	worker, err := os.FindProcess(pid)
	if err != nil {
		return nil, err
	}
	if err := isWorker(ctx, pid, masterPID); err != nil {
		return nil, errors.Join(err, worker.Release())
	}
	return func(signal syscall.Signal) error {
		defer worker.Release()
		return worker.Signal(signal)
	}, nil
}

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
