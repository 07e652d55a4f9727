package crash

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	orderVariable  = "CRASH_ORDER"
	filterVariable = "CRASH_FILTER"
)

// order is what the tracer shall do to the program.
type order struct {
	Below string // only files below this folder count
	Kill  int    `json:",omitempty"` // at the call of this number, before it is made; 0: never
	First string `json:",omitempty"` // at the first call of this kind, in the same way
	Fail  string `json:",omitempty"` // each call of this kind fails
	After string `json:",omitempty"` // once one of this kind was made
	Errno int    `json:",omitempty"`
	Log   string `json:",omitempty"` // the file to which the calls are written
	Data  bool   `json:",omitempty"` // with what files hold after each
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

// becomeTraced installs the filter in this thread, which the program inherits.
func becomeTraced(args []string) {
	runtime.LockOSThread()
	_ = os.Unsetenv(filterVariable)
	program, err := exec.LookPath(args[0])
	if err == nil {
		rules := filter()
		prog := unix.SockFprog{Len: uint16(len(rules)), Filter: &rules[0]}
		if err = unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err == nil {
			err = unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&prog)), 0, 0)
		}
		if err == nil {
			err = unix.Exec(program, args, os.Environ())
		}
	}
	fmt.Fprintln(os.Stderr, "traced:", err)
	os.Exit(125)
}

// tracer watches one program and its children.
type tracer struct {
	order
	root    int
	armed   bool // the program itself runs
	n       int
	events  []event
	open    map[int]int // threads inside a call, by the index of its event
	threads map[int]bool
}

// traceMain runs args under the order, and ends as the program does.
func traceMain(args []string) {
	runtime.LockOSThread()
	t := &tracer{open: map[int]int{}, threads: map[int]bool{}}
	if err := json.Unmarshal([]byte(os.Getenv(orderVariable)), &t.order); err != nil {
		fail(err)
	}
	_ = os.Unsetenv(orderVariable)
	self, err := os.Executable()
	if err != nil {
		fail(err)
	}
	command := exec.Command(self, args...)
	command.Env = append(os.Environ(), filterVariable+"=1")
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	command.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
	if err := command.Start(); err != nil {
		fail(err)
	}
	t.root = command.Process.Pid
	status := t.watch()
	t.writeLog()
	if status.Signaled() {
		_ = syscall.Kill(os.Getpid(), status.Signal())
		select {}
	}
	os.Exit(status.ExitStatus())
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
	first := true
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WALL, nil)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			fail(err)
		}
		if status.Exited() || status.Signaled() {
			if pid == t.root {
				return status
			}
			continue
		}
		if first {
			first = false
			if err := syscall.PtraceSetOptions(pid, options); err != nil {
				fail(err)
			}
		}
		t.stopped(pid, status)
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
		t.armed = t.armed || pid == t.root
		t.open = map[int]int{}
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
	case t.Log != "":
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

func (t *tracer) writeLog() {
	if t.Log == "" {
		return
	}
	file, err := os.Create(t.Log)
	if err != nil {
		fail(err)
	}
	lines := json.NewEncoder(file)
	for _, e := range t.events {
		if err := lines.Encode(e); err != nil {
			fail(err)
		}
	}
	if err := file.Close(); err != nil {
		fail(err)
	}
}

func readEvents(name string) (events []event, err error) {
	text, err := os.ReadFile(name)
	for line := range strings.Lines(string(text)) {
		var e event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			return nil, err
		}
		events = append(events, e)
	}
	return events, err
}
