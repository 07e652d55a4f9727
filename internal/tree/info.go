package tree

import (
	"io/fs"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Info tells of what a walk visits, and is good for as long as that lasts.
type Info struct {
	fs.FileInfo // Sys is a *syscall.Stat_t
	root        *os.Root
	path        string // below root
	folder      *level // in which its name is
}

// SetTime sets the time of its modification, also of a link.
func (i *Info) SetTime(modified time.Time) error {
	if i.folder.fd < 0 {
		return SetTime(i.root, i.path, modified)
	}
	if err := unix.UtimesNanoAt(i.folder.fd, i.Name(), stamps(modified), unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return &fs.PathError{Op: "set time of", Path: i.path, Err: err}
	}
	return nil
}

// Finish sets mode and time of a file or folder. What had the mode when the walk looked at
// it keeps it.
func (i *Info) Finish(mode fs.FileMode, modified time.Time) error {
	const bits = fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky
	if i.Mode()&bits != mode {
		if err := i.root.Chmod(i.path, mode); err != nil {
			return err
		}
	}
	return i.SetTime(modified)
}

// Remove removes it, a folder if it is empty.
func (i *Info) Remove() error {
	if i.folder.fd < 0 {
		return i.root.Remove(i.path)
	}
	flags := 0
	if i.IsDir() {
		flags = unix.AT_REMOVEDIR
	}
	if err := unix.Unlinkat(i.folder.fd, i.Name(), flags); err != nil {
		return &fs.PathError{Op: "remove", Path: i.path, Err: err}
	}
	return nil
}

// LstatIn looks at a name in a folder that is open.
func LstatIn(folder *os.File, name string) (fs.FileInfo, error) {
	info, err := statAt(int(folder.Fd()), name)
	if err != nil {
		return nil, &fs.PathError{Op: "lstat", Path: name, Err: err}
	}
	return info.FileInfo, nil
}

// stat is what the kernel tells of a name.
type stat struct {
	name string
	is   syscall.Stat_t
}

// statAt follows no link.
func statAt(folder int, name string) (*Info, error) {
	var st unix.Stat_t
	for {
		err := unix.Fstatat(folder, name, &st, unix.AT_SYMLINK_NOFOLLOW)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, err
		}
		break
	}
	is := syscall.Stat_t{
		Dev: st.Dev, Ino: st.Ino, Nlink: st.Nlink, Mode: st.Mode, Uid: st.Uid, Gid: st.Gid, Rdev: st.Rdev, Size: st.Size,
		Blksize: st.Blksize, Blocks: st.Blocks, Atim: syscall.Timespec(st.Atim), Mtim: syscall.Timespec(st.Mtim), Ctim: syscall.Timespec(st.Ctim),
	}
	return &Info{FileInfo: &stat{name: name, is: is}}, nil
}

func (s *stat) Name() string       { return s.name }
func (s *stat) Size() int64        { return s.is.Size }
func (s *stat) ModTime() time.Time { return time.Unix(s.is.Mtim.Unix()) }
func (s *stat) IsDir() bool        { return s.is.Mode&unix.S_IFMT == unix.S_IFDIR }
func (s *stat) Sys() any           { return &s.is }

var specialBits = []struct {
	kernels uint32
	ours    fs.FileMode
}{{unix.S_ISUID, fs.ModeSetuid}, {unix.S_ISGID, fs.ModeSetgid}, {unix.S_ISVTX, fs.ModeSticky}}

// Mode is as os.FileInfo gives it.
func (s *stat) Mode() fs.FileMode {
	mode := fs.FileMode(s.is.Mode & 0o777)
	switch s.is.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		mode |= fs.ModeDir
	case unix.S_IFLNK:
		mode |= fs.ModeSymlink
	case unix.S_IFIFO:
		mode |= fs.ModeNamedPipe
	case unix.S_IFSOCK:
		mode |= fs.ModeSocket
	case unix.S_IFBLK:
		mode |= fs.ModeDevice
	case unix.S_IFCHR:
		mode |= fs.ModeDevice | fs.ModeCharDevice
	}
	for _, bit := range specialBits {
		if s.is.Mode&bit.kernels != 0 {
			mode |= bit.ours
		}
	}
	return mode
}

// sameFile tells whether two looks were at one inode, whoever took them.
func sameFile(one, other fs.FileInfo) bool {
	a, b := one.Sys().(*syscall.Stat_t), other.Sys().(*syscall.Stat_t)
	return a.Dev == b.Dev && a.Ino == b.Ino
}
