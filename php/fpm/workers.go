package fpm

import (
	"context"
	"fmt"
	"regexp"
	"syscall"

	"relink/internal/proc"
)

// workerTitle is what FPM sets once a worker is ready for requests.
var workerTitle = regexp.MustCompile(`^php-fpm: pool (.+)$`)

// Workers lists the pids of a master's workers by the name of their pool.
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
		if found := workerTitle.FindStringSubmatch(proc.Title(ctx, p)); found != nil {
			workers[found[1]] = append(workers[found[1]], int(p.Pid))
		}
	}
	return workers, ctx.Err()
}

// EndWorker has a worker of the master end when it has answered the request that it
// is in, as a reload of FPM does to all of them (SIGQUIT, fpm_signals.c). It takes
// no further one, and the master starts another in its place.
func EndWorker(ctx context.Context, masterPID, pid int) error {
	return signalWorker(ctx, masterPID, pid, syscall.SIGQUIT)
}

// MayEnd tells why the caller may not end a worker, before it has to be ended.
func MayEnd(ctx context.Context, masterPID, pid int) error {
	return signalWorker(ctx, masterPID, pid, 0)
}

func signalWorker(ctx context.Context, masterPID, pid int, signal syscall.Signal) error {
	parent, err := proc.Parent(ctx, pid)
	if err == nil && parent != masterPID {
		err = fmt.Errorf("process %d is no worker of FPM master %d", pid, masterPID)
	}
	if err == nil {
		err = syscall.Kill(pid, signal)
	}
	if err != nil {
		return fmt.Errorf("end worker %d: %w", pid, err)
	}
	return nil
}
