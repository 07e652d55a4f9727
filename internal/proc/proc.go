// Package proc tells what this machine shows of its processes: their parents and
// children, their titles and the sockets that they hold; and it runs commands to
// their end.
package proc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/shirou/gopsutil/v3/process"
)

// Path is a file of a process below /proc.
func Path(pid int, name string) string { return fmt.Sprintf("/proc/%d/%s", pid, name) }

// Alive tells whether a process has this pid.
func Alive(pid int) bool { return !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }

// Stranger names a user who is neither root nor the caller and as whom a process
// runs or was started: what it says of itself, its title too, may be anything. All
// of its users count, for a program that is setuid was started by somebody else.
func Stranger(ctx context.Context, p *process.Process) (uid int, is bool, err error) {
	uids, err := p.UidsWithContext(ctx)
	if err != nil {
		return 0, false, fmt.Errorf("users of process %d: %w", p.Pid, err)
	}
	i := slices.IndexFunc(uids, func(uid int32) bool { return uid != 0 && int(uid) != os.Geteuid() })
	if i < 0 {
		return 0, false, nil
	}
	return int(uids[i]), true, nil
}

// Maps tells whether a file of that name is mapped into the memory of a process.
func Maps(pid int, name string) (bool, error) {
	text, err := os.ReadFile(Path(pid, "maps"))
	if err != nil {
		return false, fmt.Errorf("look for %s: %w", name, err)
	}
	for line := range bytes.Lines(text) {
		if bytes.HasSuffix(bytes.TrimSpace(line), []byte("/"+name)) {
			return true, nil
		}
	}
	return false, nil
}

// Parent gives the pid of a process's parent.
func Parent(ctx context.Context, pid int) (int, error) {
	p, err := process.NewProcessWithContext(ctx, int32(pid))
	var parent int32
	if err == nil {
		parent, err = p.PpidWithContext(ctx)
	}
	if err != nil {
		return 0, fmt.Errorf("parent of process %d: %w", pid, err)
	}
	return int(parent), nil
}

// All lists the processes of this machine, in the order of their pids.
func All(ctx context.Context) ([]*process.Process, error) {
	all, err := process.ProcessesWithContext(ctx)
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	return all, nil
}

// Children lists the processes with this parent.
func Children(ctx context.Context, parent int) ([]*process.Process, error) {
	all, err := All(ctx)
	if err != nil {
		return nil, err
	}
	var children []*process.Process
	for _, p := range all {
		if of, err := p.PpidWithContext(ctx); err == nil && int(of) == parent {
			children = append(children, p)
		}
	}
	return children, nil
}

// Title is the command line; the padding that setproctitle leaves is cut. "" if the
// process has ended.
func Title(ctx context.Context, p *process.Process) string {
	line, err := p.CmdlineWithContext(ctx)
	if err != nil {
		return ""
	}
	return strings.TrimRight(line, " \x00")
}
