package sandbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"relink/internal/hint"
	"relink/internal/pace"

	"github.com/prometheus/procfs"
)

const (
	stopGrace = 5 * time.Second      // between the signal that ends a server and SIGKILL
	killWait  = 10 * time.Second     // for the kernel to end what was killed
	pollEvery = 5 * time.Millisecond // of what announces itself by no event
	readyWait = 30 * time.Second     // for a server to answer
)

// process is one server (an FPM master or Apache) at the head of a process
// group that its children share.
type process struct {
	name    string
	pid     int
	started uint64
	exited  chan struct{} // closed when the server's first process has been reaped
	exitErr error         // valid after exited
}

// launch starts cmd with its output appended to the file out.
func launch(name string, cmd *exec.Cmd, out string, detach bool) (*process, error) {
	log, err := os.OpenFile(out, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd.Dir, cmd.Stdout, cmd.Stderr = "/", log, log
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	if detach {
		cmd.SysProcAttr.Setsid = true
	} else {
		cmd.SysProcAttr.Setpgid, cmd.SysProcAttr.Pdeathsig = true, syscall.SIGTERM
	}
	p := &process{name: name, exited: make(chan struct{})}
	begun := make(chan error)
	go p.run(cmd, begun)
	if err := <-begun; err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	if stat, err := readStat(p.pid); err == nil {
		p.started = stat.Starttime
	}
	return p, nil
}

// run keeps one OS thread for the server. The kernel sends Pdeathsig when the *thread*
// that forked the child ends, not the process, and Go ends threads as it likes
// (golang/go#27505): a server forked elsewhere would die at random.
func (p *process) run(cmd *exec.Cmd, begun chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := cmd.Start()
	if err == nil {
		p.pid = cmd.Process.Pid
	}
	begun <- err
	if err == nil {
		p.exitErr = cmd.Wait()
		close(p.exited)
	}
}

func (p *process) running() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// stop ends the server and every process of its group, and waits for them.
func (p *process) stop() error {
	if p == nil {
		return nil
	}
	if err := endGroup(p.pid, p.started); err != nil {
		return fmt.Errorf("stop %s: %w", p.name, err)
	}
	<-p.exited
	return nil
}

// endGroup ends the process group that leader leads: SIGTERM to the leader, who
// ends its children, then SIGKILL to each that is left.
func endGroup(leader int, started uint64) error {
	if stat, err := readStat(leader); err == nil && stat.Starttime == started && alive(stat) {
		if err := syscall.Kill(leader, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
			return err
		}
	}
	if waitGroup(leader, started, stopGrace, nil) == nil {
		return nil
	}
	return waitGroup(leader, started, killWait, func(s procfs.ProcStat) { _ = syscall.Kill(s.PID, syscall.SIGKILL) })
}

// waitGroup waits until the group has no living process, visiting each that it sees.
func waitGroup(leader int, started uint64, bound time.Duration, visit func(procfs.ProcStat)) error {
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	var left []procfs.ProcStat
	err := poll(ctx, func() (bool, error) {
		var err error
		// A member cannot be older than the leader: the comparison keeps a
		// group of the same number from another time out of this.
		left, err = processes(func(s procfs.ProcStat) bool { return s.PGRP == leader && s.Starttime >= started })
		for _, s := range left {
			if visit != nil {
				visit(s)
			}
		}
		return len(left) == 0, err
	})
	if err != nil {
		return fmt.Errorf("%d processes of group %d are left: %w", len(left), leader, err)
	}
	return nil
}

// daemon is a server that is being started.
type daemon interface {
	String() string
	logs() (read, printed string)
	launch() (*process, error)
	ready(context.Context) (bool, error)
	stop() error
}

// startDaemon launches a server and waits until it is ready. A port is free when it is
// chosen, not when the server binds it: a lost race chooses again.
func startDaemon(ctx context.Context, d daemon) error {
	ctx, cancel := context.WithTimeout(ctx, readyWait)
	defer cancel()
	read, printed := d.logs()
	for {
		readTo, printedTo := sizeOf(read), sizeOf(printed)
		p, err := d.launch()
		if err != nil {
			return err
		}
		err = poll(ctx, func() (bool, error) {
			if !p.running() {
				return false, fmt.Errorf("ended while starting: %w", cmp.Or(p.exitErr, errors.New("exit status 0")))
			}
			return d.ready(ctx)
		})
		if err == nil {
			return nil
		}
		log := tail(read, readTo) + tail(printed, printedTo)
		if stopErr := d.stop(); stopErr != nil {
			return stopErr
		}
		if ctx.Err() == nil && portTaken(log) {
			continue
		}
		return hint.With(fmt.Errorf("%s: %w\n%s", d, err, log), "mend what the log says above (%s)", read)
	}
}

// poll asks until the answer is yes, an error, or ctx ends.
func poll(ctx context.Context, ask func() (bool, error)) error {
	for {
		if ok, err := ask(); ok || err != nil {
			return err
		}
		if err := pace.Wait(ctx, pollEvery); err != nil {
			return err
		}
	}
}

func readStat(pid int) (s procfs.ProcStat, err error) {
	p, err := procfs.NewProc(pid)
	if err == nil {
		s, err = p.Stat()
	}
	return s, err
}

// alive is false for a zombie: it runs no code and holds no socket.
func alive(s procfs.ProcStat) bool { return s.State != "Z" && s.State != "X" }

// processes lists the living processes that keep accepts. With its pid, the time of its
// start is the identity of one (proc(5)).
func processes(keep func(procfs.ProcStat) bool) (found []procfs.ProcStat, err error) {
	all, err := procfs.AllProcs()
	for _, p := range all {
		if s, err := p.Stat(); err == nil && alive(s) && keep(s) {
			found = append(found, s)
		}
	}
	return found, err
}

// children are the living ones of a process.
func children(of int) (pids []int, err error) {
	_, err = processes(func(s procfs.ProcStat) bool {
		if s.PPID == of {
			pids = append(pids, s.PID)
		}
		return false
	})
	return pids, err
}
