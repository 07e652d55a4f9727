package sandbox

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"relink/internal/hint"
)

// layout is the folder of a sandbox: conf, run (sockets, pid files), log, tmp
// (of PHP), agent.
type layout struct{ root string }

func (l layout) conf(name string) string { return filepath.Join(l.root, "conf", name) }
func (l layout) run(name string) string  { return filepath.Join(l.root, "run", name) }
func (l layout) log(name string) string  { return filepath.Join(l.root, "log", name) }
func (l layout) tmp() string             { return filepath.Join(l.root, "tmp") }
func (l layout) agent() string           { return filepath.Join(l.root, "agent") }
func (l layout) pids() string            { return filepath.Join(l.root, "pids") }

// TempRoot makes an empty folder that FPM's user can traverse, under a name
// short enough for the unix sockets below it. (The folders of testing.T.TempDir
// are closed to other users when tests run as root.) The caller removes it.
func TempRoot() (string, error) {
	dir, err := os.MkdirTemp("", "relink-")
	if err != nil {
		return "", err
	}
	// mod_proxy_fcgi and FPM compare and log literal paths: let ours be real.
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return "", err
	}
	return real, os.Chmod(real, 0o755)
}

func makeLayout(root string, u identity) (layout, error) {
	var err error
	if root == "" {
		root, err = TempRoot()
	} else if root, err = filepath.Abs(root); err == nil {
		err = os.MkdirAll(root, 0o755)
	}
	l := layout{root}
	if err != nil {
		return layout{}, err
	}
	for _, dir := range []string{l.conf(""), l.run(""), l.log(""), l.agent(), l.tmp()} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return l, err
		}
	}
	if err := u.checkAccess(root); err != nil {
		return l, err
	}
	return l, l.openForWorkers(u)
}

// openForWorkers gives the workers' user what it must write.
func (l layout) openForWorkers(u identity) error {
	log, err := os.OpenFile(l.log("php.log"), os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	return errors.Join(log.Close(), u.give(log.Name()), u.give(l.tmp()))
}

// identity is the user that FPM's workers and Apache's children run as. It is
// set only for root: an ordinary user's servers run as that user, and User,
// Group, user= and group= must not appear in their configuration.
type identity struct {
	Name, Group string
	uid, gid    int
}

func currentIdentity() (identity, error) {
	if os.Geteuid() != 0 {
		return identity{}, nil
	}
	for _, one := range []identity{{Name: "www-data", Group: "www-data"}, {Name: "nobody", Group: "nogroup"}} {
		u, err := user.Lookup(one.Name)
		if err != nil {
			continue
		}
		var uidErr, gidErr error
		one.uid, uidErr = strconv.Atoi(u.Uid)
		one.gid, gidErr = strconv.Atoi(u.Gid)
		return one, errors.Join(uidErr, gidErr)
	}
	return identity{}, hint.With(errors.New("neither www-data nor nobody is a user here"), "run as an ordinary user, or add the user www-data")
}

// WorkerUser is the user and group that workers will run as when the caller
// starts a sandbox: what they write must belong to it.
func WorkerUser() (uid, gid int, err error) {
	u, err := currentIdentity()
	if err != nil || u.Name == "" {
		return os.Geteuid(), os.Getegid(), err
	}
	return u.uid, u.gid, nil
}

func (u identity) give(path string) error {
	if u.Name == "" {
		return nil
	}
	return os.Chown(path, u.uid, u.gid)
}

// checkAccess finds a folder on the way to path that the workers' user cannot
// pass, which FPM would report as "File not found" only.
func (u identity) checkAccess(path string) error {
	if u.Name == "" {
		return nil
	}
	for dir := path; dir != "/"; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o001 == 0 && !ownedBy(info, u) {
			err := fmt.Errorf("%s (mode %04o) cannot be passed by user %s", dir, info.Mode().Perm(), u.Name)
			return hint.With(err, "put the sandbox into a folder that %s can traverse (sandbox.TempRoot makes one)", u.Name)
		}
	}
	return nil
}

func ownedBy(info os.FileInfo, u identity) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == u.uid && info.Mode().Perm()&0o100 != 0
}

const tailBytes = 4 << 10

// sizeOf is where a log ends now; what comes later is told by tail.
func sizeOf(path string) int64 {
	if info, err := os.Stat(path); err == nil {
		return info.Size()
	}
	return 0
}

// tail is the end of what was written to path after from. A log that cannot be
// read is empty: it only illustrates another error.
func tail(path string, from int64) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Size()-from > tailBytes {
		from = info.Size() - tailBytes
	}
	data, err := io.ReadAll(io.NewSectionReader(f, from, tailBytes))
	if err != nil {
		return ""
	}
	return string(data)
}

// portTaken recognises EADDRINUSE in the log of FPM and of Apache.
func portTaken(log string) bool {
	return strings.Contains(log, "Address already in use") || strings.Contains(log, "could not bind to address")
}

func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	address, ok := listener.Addr().(*net.TCPAddr)
	if !ok {
		return 0, errors.Join(errors.New("no TCP address"), listener.Close())
	}
	return address.Port, listener.Close()
}
