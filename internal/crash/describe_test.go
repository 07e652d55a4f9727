package crash

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// describe tells what a thread is about to do, and whether it counts: whether it
// is the program's own, and changes a file below the folder or another process.
func (t *tracer) describe(pid int, regs *syscall.PtraceRegs) (e event, counts bool) {
	c, known := calls[int64(regs.Orig_rax)]
	if !known || !t.own(pid) {
		return event{}, false
	}
	args := []uint64{regs.Rdi, regs.Rsi, regs.Rdx, regs.R10, regs.R8, regs.R9}
	e.Call = c.name
	if c.value >= 0 {
		e.Value = args[c.value]
	}
	switch {
	case c.name == "connect":
		e.Path = address(pid, args[1], args[2])
		return e, strings.HasPrefix(e.Path, "127.0.0.1:") || e.below(t.Below) // else a name service's
	case c.name == "signal":
		return e, e.Value != 0
	case c.fd >= 0:
		e.Path = descriptor(pid, args[c.fd])
	default:
		e.Path = named(pid, c.dir, c.path, args)
	}
	if c.to >= 0 {
		e.To = named(pid, c.dir2, c.to, args)
	}
	if c.text >= 0 {
		e.To = text(pid, args[c.text])
	}
	return e, e.below(t.Below) || e.To != "" && (event{Path: e.To}).below(t.Below)
}

func (e event) below(dir string) bool { return e.Path == dir || strings.HasPrefix(e.Path, dir+"/") }

func (t *tracer) own(pid int) bool {
	_, err := os.Stat(fmt.Sprintf("/proc/%d/task/%d", t.root, pid))
	return err == nil
}

// named is the path of a name below a folder's descriptor.
func named(pid, dir, path int, args []uint64) string {
	name := ""
	if args[path] != 0 {
		name = text(pid, args[path])
	}
	if filepath.IsAbs(name) {
		if fd, ok := strings.CutPrefix(name, "/proc/self/fd/"); ok {
			target, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", pid, fd))
			return target
		}
		return filepath.Clean(name)
	}
	folder := fmt.Sprintf("/proc/%d/cwd", pid)
	if dir >= 0 && int32(args[dir]) != unix.AT_FDCWD {
		folder = fmt.Sprintf("/proc/%d/fd/%d", pid, int32(args[dir]))
	}
	base, _ := os.Readlink(folder)
	return filepath.Join(base, name)
}

func descriptor(pid int, fd uint64) string {
	name, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", pid, int32(fd)))
	return name
}

// text is a string in the memory of the program, of at most a path's length.
func text(pid int, at uint64) string {
	read := peek(pid, at, unix.PathMax)
	if end := bytes.IndexByte(read, 0); end >= 0 {
		return string(read[:end])
	}
	return string(read)
}

// peek reads up to the end of what is mapped there.
func peek(pid int, at uint64, length int) []byte {
	memory, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		return nil
	}
	defer memory.Close()
	read := make([]byte, length)
	n, _ := memory.ReadAt(read, int64(at))
	for page := 4096 - int(at%4096); n <= 0 && page > 0 && page <= length; page = 0 {
		n, _ = memory.ReadAt(read[:page], int64(at))
	}
	return read[:max(n, 0)]
}

// address is where a connection leads: a socket's path or a port.
func address(pid int, at, length uint64) string {
	raw := peek(pid, at, int(min(length, 128)))
	switch {
	case len(raw) > 2 && raw[0] == unix.AF_UNIX:
		name, _, _ := bytes.Cut(raw[2:], []byte{0})
		return string(name)
	case len(raw) >= 8 && raw[0] == unix.AF_INET:
		return fmt.Sprintf("%d.%d.%d.%d:%d", raw[4], raw[5], raw[6], raw[7], int(raw[2])<<8|int(raw[3]))
	}
	return ""
}

// look notes what a power cut would have to keep: which file and which folders
// the call was about, and what the file holds now.
func (e *event) look() {
	name := e.Path
	if e.Call == "rename" || e.Call == "link" {
		name = e.To
		e.Dirs = []uint64{inode(filepath.Dir(e.Path)), inode(filepath.Dir(e.To))}
	} else {
		e.Dirs = []uint64{inode(filepath.Dir(e.Path))}
	}
	e.Inode = inode(name)
	if e.Call == "write" || e.Call == "truncate" || e.Call == "fallocate" {
		e.Data, _ = os.ReadFile(name)
	}
}

func inode(name string) uint64 {
	info, err := os.Lstat(name)
	if err != nil {
		return 0
	}
	return info.Sys().(*syscall.Stat_t).Ino
}

var varying = []*regexp.Regexp{
	regexp.MustCompile(`\d{8}T\d{6}Z-`),  // the time of a release's id
	regexp.MustCompile(`[0-9a-z]{12}\b`), // the id of a run
	regexp.MustCompile(`\b[0-9a-f]{8}\b`),
	regexp.MustCompile(`\d{3,}`),
	regexp.MustCompile(`\bv\d`), // a ref
}

// plain is a path without what differs from run to run.
func plain(path string) string {
	for _, one := range varying {
		path = one.ReplaceAllString(path, "#")
	}
	return path
}
