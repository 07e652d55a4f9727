package crash

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// tracerVariable has this test be the tracer.
const tracerVariable = "CRASH_TRACER"

// order is what the tracer shall do to the program.
type order struct {
	Kill  int    // at the call of this number, before it is made; 0: never
	First string // at the first call of this kind, in the same way
	Fail  string // each call of this kind fails
	After string // once one of this kind was made
	Errno int
	Log   bool // wants all calls
	Data  bool // with what files hold after each
}

// job is what the tracer shall run, under an order.
type job struct {
	Args  []string
	Below string // only files below this folder count
	order
}

// traced is how it has ended.
type traced struct {
	Code        int // -1: by a signal
	Out, Stderr []byte
	Events      []event
}

// event is a call that the program has made.
type event struct {
	N      int      // counted from 1
	Call   string   // a name of calls
	Path   string   `json:",omitempty"`
	To     string   `json:",omitempty"` // of a rename or a link; what a symbolic link says
	Value  uint64   `json:",omitempty"`
	Result int64    `json:",omitempty"` // negative: the errno
	Done   bool     // the program lived to see it return
	Inode  uint64   `json:",omitempty"` // of the file afterwards
	Dirs   []uint64 `json:",omitempty"` // of the folders that hold the names
	Data   []byte   `json:",omitempty"`
}

// kind is the event without what differs from run to run.
func (e event) kind() string {
	if e.Call == "rename" {
		return e.Call + " " + plain(e.To)
	}
	return e.Call + " " + plain(e.Path)
}

// tracer watches one program and its children.
type tracer struct {
	job
	root    int
	n       int
	events  []event
	open    map[int]int // threads inside a call, by the index of its event
	threads map[int]bool
}

// traceMain is the tracer: one for many orders, since the start of a test takes as long
// as what is traced.
func traceMain() {
	runtime.LockOSThread() // which alone may trace what it has started
	_ = os.Unsetenv(tracerVariable)
	orders, answers := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		var j job
		if err := orders.Decode(&j); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			fail(err)
		}
		if err := answers.Encode(j.trace()); err != nil {
			fail(err)
		}
	}
}

// trace runs a program under an order, with all that it starts.
func (j job) trace() traced {
	t := &tracer{job: j, open: map[int]int{}, threads: map[int]bool{}}
	command := exec.Command(j.Args[0], j.Args[1:]...)
	command.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
	out, stderr := scratch(), scratch()
	command.Stdout, command.Stderr = out, stderr
	if err := command.Start(); err != nil {
		fail(err)
	}
	t.root = command.Process.Pid
	_ = command.Process.Release() // watch waits for it
	status := t.watch()
	t.endRest()
	done := traced{Code: status.ExitStatus(), Out: whole(out), Stderr: whole(stderr)}
	if j.Log {
		done.Events = t.events
	}
	return done
}

// scratch is a file without a name.
func scratch() *os.File {
	file, err := os.CreateTemp("", "relink-traced-")
	if err == nil {
		err = os.Remove(file.Name())
	}
	if err != nil {
		fail(err)
	}
	return file
}

func whole(file *os.File) []byte {
	defer file.Close()
	text, err := io.ReadAll(io.NewSectionReader(file, 0, 64<<20))
	if err != nil {
		fail(err)
	}
	return text
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "tracer:", err)
	os.Exit(125)
}

const (
	seccompEvent = 7 // PTRACE_EVENT_SECCOMP
	options      = unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_TRACEFORK | unix.PTRACE_O_TRACEVFORK | unix.PTRACE_O_TRACEEXEC |
		unix.PTRACE_O_TRACESECCOMP | unix.PTRACE_O_EXITKILL | unix.PTRACE_O_TRACESYSGOOD
)

// watch lets the program run until it ends.
func (t *tracer) watch() syscall.WaitStatus {
	t.filter()
	for {
		pid, status := wait()
		if status.Exited() || status.Signaled() {
			delete(t.threads, pid)
			if pid == t.root {
				return status
			}
			continue
		}
		t.stopped(pid, status)
	}
}

// endRest ends what the program has left running.
func (t *tracer) endRest() {
	for pid := range t.threads {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	for len(t.threads) > 0 {
		pid, status := wait()
		if status.Exited() || status.Signaled() {
			delete(t.threads, pid)
		} else {
			t.threads[pid] = true
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

func wait() (int, syscall.WaitStatus) {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WALL, nil)
		if err == nil {
			return pid, status
		}
		if err != syscall.EINTR {
			fail(err)
		}
	}
}

// filter has the program, which has stopped before its first instruction, ask the
// kernel to stop it at calls: it makes the two system calls that do this, and is then
// as it was.
func (t *tracer) filter() {
	if _, status := wait(); !status.Stopped() {
		fail(fmt.Errorf("%q has not begun: %#x", t.Args, int(status)))
	}
	must(syscall.PtraceSetOptions(t.root, options))
	t.threads[t.root] = true
	var usual syscall.PtraceRegs
	must(syscall.PtraceGetRegs(t.root, &usual))
	code := make([]byte, 8)
	_, err := syscall.PtracePeekText(t.root, uintptr(usual.Rip), code)
	must(err)
	low := uintptr(usual.Rsp) - 16<<10                                                                                  // the kernel has made the stack larger than that
	_, err = syscall.PtracePokeText(t.root, uintptr(usual.Rip), []byte{0x0f, 0x05, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc}) // syscall, int3
	must(err)
	_, err = syscall.PtracePokeData(t.root, low, filterAt(low))
	must(err)
	t.inject(usual, unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0)
	t.inject(usual, unix.SYS_PRCTL, unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uint64(low))
	_, err = syscall.PtracePokeText(t.root, uintptr(usual.Rip), code)
	must(err)
	must(syscall.PtraceSetRegs(t.root, &usual))
	must(syscall.PtraceCont(t.root, 0))
}

// inject has the program make a system call where it stands.
func (t *tracer) inject(regs syscall.PtraceRegs, number, a, b, c uint64) {
	regs.Orig_rax, regs.Rax = ^uint64(0), number
	regs.Rdi, regs.Rsi, regs.Rdx, regs.R10, regs.R8 = a, b, c, 0, 0
	must(syscall.PtraceSetRegs(t.root, &regs))
	must(syscall.PtraceCont(t.root, 0))
	if _, status := wait(); !status.Stopped() || status.StopSignal() != syscall.SIGTRAP {
		fail(fmt.Errorf("a call for the filter has ended so: %#x", int(status)))
	}
	must(syscall.PtraceGetRegs(t.root, &regs))
	if result := int64(regs.Rax); result != 0 {
		fail(fmt.Errorf("the filter: %w", syscall.Errno(-result)))
	}
}

func must(err error) {
	if err != nil {
		fail(err)
	}
}

// stopped lets a thread run on from where it has stopped.
func (t *tracer) stopped(pid int, status syscall.WaitStatus) {
	known := t.threads[pid]
	t.threads[pid] = true
	signal := status.StopSignal()
	switch {
	case int(status)>>16 == seccompEvent:
		t.called(pid)
		return
	case int(status)>>16 == unix.PTRACE_EVENT_EXEC:
		delete(t.open, pid)
		signal = 0
	case signal == syscall.SIGTRAP|0x80:
		t.returned(pid)
		signal = 0
	case signal == syscall.SIGTRAP, signal == syscall.SIGSTOP && !known:
		signal = 0
	}
	_ = syscall.PtraceCont(pid, int(signal)) // one that was killed meanwhile is told by Wait4
}

// called is told of a call before it is made.
func (t *tracer) called(pid int) {
	var regs syscall.PtraceRegs
	if err := syscall.PtraceGetRegs(pid, &regs); err != nil {
		return
	}
	e, counts := t.describe(pid, &regs)
	if !counts {
		_ = syscall.PtraceCont(pid, 0)
		return
	}
	t.n++
	e.N = t.n
	t.events = append(t.events, e)
	switch {
	case t.n == t.Kill, t.First != "" && t.First == e.kind():
		t.answer(pid, regs, unix.EINTR)
		_ = syscall.Kill(t.root, syscall.SIGKILL)
		_ = syscall.PtraceCont(pid, 0)
	case t.fails(e.kind()):
		t.events[len(t.events)-1].Result = -int64(t.Errno)
		t.answer(pid, regs, syscall.Errno(t.Errno))
		_ = syscall.PtraceCont(pid, 0)
	case t.Log:
		t.open[pid] = len(t.events) - 1
		_ = syscall.PtraceSyscall(pid, 0)
	default:
		_ = syscall.PtraceCont(pid, 0)
	}
}

// fails tells whether a call of this kind is one that fails.
func (t *tracer) fails(kind string) bool {
	if t.After != "" {
		if kind == t.After {
			t.After = ""
		}
		return false
	}
	return t.Fail != "" && t.Fail == kind
}

// answer has the kernel make no call, and the program get the error.
func (t *tracer) answer(pid int, regs syscall.PtraceRegs, errno syscall.Errno) {
	regs.Orig_rax, regs.Rax = ^uint64(0), uint64(-int64(errno))
	if err := syscall.PtraceSetRegs(pid, &regs); err != nil {
		fail(err)
	}
}

// returned completes the event of a call.
func (t *tracer) returned(pid int) {
	i, found := t.open[pid]
	if !found {
		return
	}
	delete(t.open, pid)
	var regs syscall.PtraceRegs
	if err := syscall.PtraceGetRegs(pid, &regs); err != nil {
		return
	}
	e := &t.events[i]
	e.Result, e.Done = int64(regs.Rax), true
	if t.Data && e.Result >= 0 {
		e.look()
	}
}
