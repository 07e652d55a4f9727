package php

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"syscall"

	"github.com/shirou/gopsutil/v3/process"
)

// workerTitle is what FPM sets once a worker is ready for requests.
var workerTitle = regexp.MustCompile(`^php-fpm: pool (.+)$`)

// ParentOf gives the pid of a process's parent.
func ParentOf(ctx context.Context, pid int) (int, error) {
	p, err := process.NewProcessWithContext(ctx, int32(pid))
	if err != nil {
		return 0, fmt.Errorf("parent of process %d: %w", pid, err)
	}
	parent, err := p.PpidWithContext(ctx)
	if err != nil {
		return 0, fmt.Errorf("parent of process %d: %w", pid, err)
	}
	return int(parent), nil
}

// Workers lists the pids of a master's workers by the name of their pool.
func Workers(ctx context.Context, masterPID int) (map[string][]int, error) {
	if !alive(masterPID) {
		return nil, fmt.Errorf("workers of FPM master %d: %w", masterPID, syscall.ESRCH)
	}
	all, err := process.ProcessesWithContext(ctx)
	if err != nil {
		return nil, fmt.Errorf("workers of FPM master %d: %w", masterPID, err)
	}
	workers := map[string][]int{}
	for _, p := range all {
		if parent, err := p.PpidWithContext(ctx); err != nil || int(parent) != masterPID {
			continue
		}
		if found := workerTitle.FindStringSubmatch(title(ctx, p)); found != nil {
			workers[found[1]] = append(workers[found[1]], int(p.Pid))
		}
	}
	return workers, ctx.Err()
}

func alive(pid int) bool { return !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }
