package crash

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// call tells what the arguments of a system call are: the place of each in the
// registers, -1 for none.
type call struct {
	name       string
	dir, path  int // the folder's descriptor and the name below it
	dir2, to   int // the same of a second name
	text       int // a string that is no path: what a symbolic link shall say
	fd         int
	value      int // a mode, a length or flags
	onlyCreate int // the flags' place: only a call that creates or truncates counts
}

// none is a call of which nothing is known but its name.
var none = call{dir: -1, path: -1, dir2: -1, to: -1, text: -1, fd: -1, value: -1, onlyCreate: -1}

func at(name string, dir, path, value int) call {
	c := none
	c.name, c.dir, c.path, c.value = name, dir, path, value
	return c
}

func two(name string, dir, path, dir2, to int) call {
	c := at(name, dir, path, -1)
	c.dir2, c.to = dir2, to
	return c
}

func onFD(name string, fd, value int) call {
	c := none
	c.name, c.fd, c.value = name, fd, value
	return c
}

func creating(c call, flags int) call { c.onlyCreate = flags; return c }

func symlink(text, dir, path int) call {
	c := at("symlink", dir, path, -1)
	c.text = text
	return c
}

// calls are all system calls of Linux on amd64 that change files, names of files,
// or another process: by a signal, or by what is asked over a connection. The
// kernel stops the program at these, so that none can be forgotten that the
// program makes, whichever function of which library makes it.
var calls = map[int64]call{
	unix.SYS_OPEN:              creating(at("create", -1, 0, 2), 1),
	unix.SYS_CREAT:             at("create", -1, 0, 1),
	unix.SYS_OPENAT:            creating(at("create", 0, 1, 3), 2),
	unix.SYS_MKDIR:             at("mkdir", -1, 0, 1),
	unix.SYS_MKDIRAT:           at("mkdir", 0, 1, 2),
	unix.SYS_MKNOD:             at("mknod", -1, 0, 1),
	unix.SYS_MKNODAT:           at("mknod", 0, 1, 2),
	unix.SYS_RMDIR:             at("rmdir", -1, 0, -1),
	unix.SYS_UNLINK:            at("unlink", -1, 0, -1),
	unix.SYS_UNLINKAT:          at("unlink", 0, 1, -1),
	unix.SYS_SYMLINK:           symlink(0, -1, 1),
	unix.SYS_SYMLINKAT:         symlink(0, 1, 2),
	unix.SYS_LINK:              two("link", -1, 0, -1, 1),
	unix.SYS_LINKAT:            two("link", 0, 1, 2, 3),
	unix.SYS_RENAME:            two("rename", -1, 0, -1, 1),
	unix.SYS_RENAMEAT:          two("rename", 0, 1, 2, 3),
	unix.SYS_RENAMEAT2:         two("rename", 0, 1, 2, 3),
	unix.SYS_CHMOD:             at("chmod", -1, 0, 1),
	unix.SYS_FCHMODAT:          at("chmod", 0, 1, 2),
	unix.SYS_FCHMODAT2:         at("chmod", 0, 1, 2),
	unix.SYS_FCHMOD:            onFD("chmod", 0, 1),
	unix.SYS_CHOWN:             at("chown", -1, 0, -1),
	unix.SYS_LCHOWN:            at("chown", -1, 0, -1),
	unix.SYS_FCHOWNAT:          at("chown", 0, 1, -1),
	unix.SYS_FCHOWN:            onFD("chown", 0, -1),
	unix.SYS_UTIMENSAT:         at("utimes", 0, 1, -1),
	unix.SYS_TRUNCATE:          at("truncate", -1, 0, 1),
	unix.SYS_FTRUNCATE:         onFD("truncate", 0, 1),
	unix.SYS_FALLOCATE:         onFD("fallocate", 0, 3),
	unix.SYS_WRITE:             onFD("write", 0, 2),
	unix.SYS_PWRITE64:          onFD("write", 0, 2),
	unix.SYS_WRITEV:            onFD("write", 0, -1),
	unix.SYS_PWRITEV:           onFD("write", 0, -1),
	unix.SYS_SENDFILE:          onFD("write", 0, 3),
	unix.SYS_SPLICE:            onFD("write", 2, 4),
	unix.SYS_COPY_FILE_RANGE:   onFD("write", 2, 4),
	unix.SYS_FSYNC:             onFD("fsync", 0, -1),
	unix.SYS_FDATASYNC:         onFD("fsync", 0, -1),
	unix.SYS_SYNCFS:            onFD("syncfs", 0, -1),
	unix.SYS_CONNECT:           onFD("connect", 0, -1),
	unix.SYS_KILL:              onFD("signal", -1, 1),
	unix.SYS_PIDFD_SEND_SIGNAL: onFD("signal", -1, 1),
	unix.SYS_SETXATTR:          at("setxattr", -1, 0, -1),
	unix.SYS_LSETXATTR:         at("setxattr", -1, 0, -1),
	unix.SYS_FSETXATTR:         onFD("setxattr", 0, -1),
}

// creates are the flags of open that change something.
const creates = unix.O_CREAT | unix.O_TRUNC

// filter is the kernel's part: it stops the program at calls, before they are made.
func filter() []unix.SockFilter {
	const loadWord, jumpIfEqual, jumpIfSet, answer = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS,
		unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K, unix.BPF_RET | unix.BPF_K
	const allow, trace = 0x7fff0000, 0x7ff00000 // SECCOMP_RET_ALLOW, SECCOMP_RET_TRACE
	program := []unix.SockFilter{{Code: loadWord, K: 0}}
	for number, c := range calls {
		if c.onlyCreate < 0 {
			program = append(program, unix.SockFilter{Code: jumpIfEqual, Jf: 1, K: uint32(number)}, unix.SockFilter{Code: answer, K: trace})
			continue
		}
		program = append(program,
			unix.SockFilter{Code: jumpIfEqual, Jf: 4, K: uint32(number)},
			unix.SockFilter{Code: loadWord, K: uint32(16 + 8*c.onlyCreate)},
			unix.SockFilter{Code: jumpIfSet, Jf: 1, K: creates},
			unix.SockFilter{Code: answer, K: trace},
			unix.SockFilter{Code: answer, K: allow})
	}
	return append(program, unix.SockFilter{Code: answer, K: allow})
}

// filterAt is the filter as the kernel takes it from the memory of a program, where it
// lies at that address: its length and place, then its instructions.
func filterAt(at uintptr) []byte {
	rules := filter()
	text := binary.LittleEndian.AppendUint64(nil, uint64(len(rules)))
	text = binary.LittleEndian.AppendUint64(text, uint64(at)+16)
	for _, r := range rules {
		text = binary.LittleEndian.AppendUint16(text, r.Code)
		text = append(text, r.Jt, r.Jf)
		text = binary.LittleEndian.AppendUint32(text, r.K)
	}
	return text
}
