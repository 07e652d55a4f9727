// Package proc tells what this machine shows of its processes: their parents and
// children, their titles and the sockets that they hold; and it runs commands to
// their end.
package proc

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"

	"relink/internal/bounded"

	"github.com/shirou/gopsutil/v3/process"
)

// Path is a file of a process below /proc.
func Path(pid int, name string) string { return fmt.Sprintf("/proc/%d/%s", pid, name) }

// Alive tells whether a process has this pid.
func Alive(pid int) bool { return !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }

// Stranger names a user who is neither root nor the caller and as whom a process
// runs or was started: what it says of itself, its title too, may be anything. All
// of its users count, for a program that is setuid was started by somebody else. The kernel
// bounds what is read, /proc/PID/status.
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

// Maps tells whether a file of that name is mapped into the memory of a process. It holds
// one line of the table at a time, of 64 KiB at most.
func Maps(pid int, name string) (bool, error) {
	found := false
	err := EachLine(Path(pid, "maps"), func(fields []string) {
		found = found || strings.HasSuffix(fields[len(fields)-1], "/"+name)
	})
	if err != nil {
		return false, fmt.Errorf("look for %s: %w", name, err)
	}
	return found, nil
}

// Parent gives the pid of a process's parent. It reads /proc/PID/stat, one line that the
// kernel bounds.
func Parent(ctx context.Context, pid int) (int, error) {
	parent, err := Of(pid).PpidWithContext(ctx)
	if err != nil {
		return 0, fmt.Errorf("parent of process %d: %w", pid, err)
	}
	return int(parent), nil
}

// Of is the process with this pid, or a handle whose methods fail where there is none.
// gopsutil's own NewProcess, by which it lists them too, opens a pidfd of each and leaves
// it to the garbage collector: some hundred processes, which any user may start, take all
// the files that relink may open.
func Of(pid int) *process.Process { return &process.Process{Pid: int32(pid)} }

// All lists the processes of this machine, in the order of their pids. The kernel bounds
// their number (pid_max, 4,194,304 at most).
func All(ctx context.Context) ([]*process.Process, error) {
	pids, err := process.PidsWithContext(ctx)
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	slices.Sort(pids)
	var all []*process.Process
	for _, pid := range pids {
		all = append(all, Of(int(pid)))
	}
	return all, nil
}

// Children lists the processes with this parent. It reads a line of each process, which the
// kernel bounds.
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

// mostName is what the kernel keeps of a program's name, with the newline of /proc.
const mostName = 16

// Name is that of the program, or what the process calls itself (/proc/PID/comm), of
// which the kernel keeps 15 bytes.
func Name(p *process.Process) (string, error) {
	name, err := bounded.Process(int(p.Pid), "comm", mostName)
	return strings.TrimSuffix(string(name), "\n"), err
}

// mostTitle is room for FPM's title with the longest path that there is.
const mostTitle = 8 << 10

// Title is the command line, of which it reads at most 8 KiB; the padding that
// setproctitle leaves is cut. "" if the process has ended.
func Title(p *process.Process) string {
	line, err := bounded.Process(int(p.Pid), "cmdline", mostTitle)
	if err != nil {
		return ""
	}
	arguments := strings.FieldsFunc(string(line), func(r rune) bool { return r == 0 })
	return strings.TrimRight(strings.Join(arguments, " "), " ")
}
