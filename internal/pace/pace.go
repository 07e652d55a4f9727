// Package pace lets work go at the pace that a busy server allows: at low priority, and
// with rests where others wait for a CPU too.
package pace

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"time"

	"relink/internal/bounded"

	"golang.org/x/sys/unix"
)

const (
	// niceness leaves others ten parts of a CPU to one (kernel/sched/core.c:
	// sched_prio_to_weight). SCHED_IDLE and idle I/O would leave nothing on a server that
	// is always full, where a deploy has to come to an end too.
	niceness = 10
	// lowestBestEffort is IOPRIO_PRIO_VALUE(IOPRIO_CLASS_BE, 7).
	lowestBestEffort = 2<<13 | 7
	// piece is how much of a CPU is used between two looks at whether others wait.
	piece = 4 * time.Millisecond
	// restful is how much longer than work a rest is. A priority alone is not enough: with
	// a CPU controller, or autogroups, it counts only within one's own session, which is that
	// of who deploys, and gets as much as the web server does.
	restful = 9
)

// worker is a thread that works gently, as it was when it last looked.
type worker struct {
	thread int
	at     time.Time
	used   time.Duration // of a CPU
	waited time.Duration // for one
}

type key struct{}

// Gently does work at low priority. What it starts, such as programs, has that too; other
// goroutines have not. It rests at each call of Rest where others wait.
func Gently(ctx context.Context, work func(context.Context) error) error {
	ended := make(chan error, 1)
	go func() {
		// For good: who is not root cannot raise a priority again, so the thread ends with
		// the goroutine.
		runtime.LockOSThread()
		lower()
		w := &worker{thread: unix.Gettid()}
		w.look()
		ended <- work(context.WithValue(ctx, key{}, w))
	}()
	return <-ended
}

// Began is called for each program that has begun a session of its own, such as git's: where
// that is gentle work, it lowers the session. With autogroups (sched(7)) each session has as
// much of the CPUs as the web server's, whatever the niceness of what runs in it. Of those who
// are not root the kernel takes ten such orders in a second, from all together.
func Began(ctx context.Context, pid int) {
	if goesGently(ctx) != nil {
		_ = os.WriteFile(fmt.Sprintf("/proc/%d/autogroup", pid), []byte(strconv.Itoa(niceness)), 0) // where there are any
	}
}

// goesGently is the worker if the calling thread is that of gentle work.
func goesGently(ctx context.Context) *worker {
	if w, gently := ctx.Value(key{}).(*worker); gently && w.thread == unix.Gettid() {
		return w
	}
	return nil
}

// Normally does, of work that goes gently, what shall not.
func Normally(work func() error) error {
	ended := make(chan error, 1)
	go func() { ended <- work() }()
	return <-ended
}

// lower does what the system allows: a sandbox may forbid it, and then the rests remain.
func lower() {
	attributes := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_BATCH, Nice: niceness}
	if own, err := unix.SchedGetAttr(0, 0); err == nil {
		attributes.Nice = max(own.Nice, niceness) // started with nice, it stays so
	}
	_ = unix.SchedSetAttr(0, &attributes, 0)
	const thisThread, whoProcess = 0, 1
	_, _, _ = unix.Syscall(unix.SYS_IOPRIO_SET, whoProcess, thisThread, lowestBestEffort)
}

// Rest is called between two small pieces of work. Where they go gently, and others wait
// for a CPU, it sleeps, for at most ten times what a piece has used. It tells why ctx has ended.
func Rest(ctx context.Context) error {
	if w := goesGently(ctx); w != nil {
		w.rest(ctx)
	}
	return ctx.Err()
}

func (w *worker) rest(ctx context.Context) {
	used := cpuTime()
	if used-w.used < piece {
		return
	}
	before := *w
	w.look()
	if pause := pauseAfter(w.used-before.used, w.waited-before.waited, w.at.Sub(before.at)); pause > 0 {
		_ = Wait(ctx, pause) // who calls Rest is told
		w.at = time.Now()
	}
}

func (w *worker) look() {
	w.at, w.used, w.waited = time.Now(), cpuTime(), queueTime()
}

// pauseAfter is how long to rest after work that has used a CPU, has waited for one, and
// took a time in all. Who never waits takes from nobody; whoever was kept off the CPU, or
// waited for a disk, has rested meanwhile.
func pauseAfter(used, waited, took time.Duration) time.Duration {
	if waited < used/4 {
		return 0
	}
	return max(0, restful*used-(took-used))
}

// Wait sleeps for as long, or until ctx ends, and tells why it has ended.
func Wait(ctx context.Context, pause time.Duration) error {
	select {
	case <-time.After(pause):
	case <-ctx.Done():
	}
	return ctx.Err()
}

// cpuTime is what the calling thread has used.
func cpuTime() time.Duration {
	var now unix.Timespec
	if unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &now) != nil {
		return 0
	}
	return time.Duration(now.Nano())
}

// queueTime is how long the calling thread was ready to run and did not; 0 where the
// kernel does not count that (CONFIG_SCHED_INFO).
func queueTime() time.Duration {
	text, err := bounded.File(fmt.Sprintf("/proc/self/task/%d/schedstat", unix.Gettid()), 256)
	if err != nil {
		return 0
	}
	return parseQueueTime(text)
}

// parseQueueTime reads "used waited slices", the times in nanoseconds.
func parseQueueTime(schedstat []byte) time.Duration {
	fields := bytes.Fields(schedstat)
	if len(fields) < 2 {
		return 0
	}
	waited, err := strconv.ParseInt(string(fields[1]), 10, 64)
	if err != nil {
		return 0
	}
	return time.Duration(waited)
}
