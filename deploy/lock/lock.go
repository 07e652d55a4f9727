// Package lock keeps two operations on one application apart.
package lock

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"relink/internal/bounded"
	"relink/internal/exit"
	"relink/internal/hint"
	"relink/internal/pace"
	"relink/internal/trust"

	"github.com/gofrs/flock"
	"golang.org/x/sys/unix"
)

// Holder is who deploys an application now.
type Holder struct {
	PID     int       `json:"pid"`
	User    string    `json:"user"`    // who runs it
	Host    string    `json:"host"`    // name of the machine
	Command string    `json:"command"` // the command line
	Since   time.Time `json:"since"`   // when it began
}

func (h Holder) String() string {
	if h.PID == 0 {
		return "another process"
	}
	return fmt.Sprintf("%s on %s, pid %d, since %s: %s", h.User, h.Host, h.PID, h.Since.Format(time.DateTime), h.Command)
}

// Lock keeps two deploys of one application apart. The kernel drops a flock
// with the process that holds it, however that ends, so there is no stale lock
// to break: what the file says is for people only.
type Lock struct{ flock *flock.Flock }

// Acquire takes the lock, or tells who holds it. It waits 30 s at most for the restart of a
// cache, and reads at most 1 MiB of the file.
func Acquire(ctx context.Context, path string, holder Holder) (*Lock, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, hint.Write(fmt.Errorf("lock: %w", err), filepath.Dir(path))
	}
	l := &Lock{flock: flock.New(path, flock.SetFlag(os.O_CREATE|os.O_RDWR|unix.O_NOFOLLOW), flock.SetPermissions(0o640))}
	held, err := l.try(ctx)
	switch {
	case errors.Is(err, fs.ErrPermission) && os.Geteuid() != 0:
		err = hint.With(err, "deploy as the user whom %s belongs to, or give each user's applications a state_dir of their own", filepath.Dir(path))
	case err != nil:
		err = hint.Write(err, filepath.Dir(path))
	}
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	if !held {
		return nil, lockedBy(path, ReadHolder(path))
	}
	if err := note(path, holder); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), l.flock.Close())
	}
	return l, nil
}

// A restart of a cache holds the lock too, but is no deploy, names nobody, and ends
// soon (restart.Queue): it is waited for.
const (
	restartWait = 30 * time.Second
	restartPoll = 50 * time.Millisecond
)

func (l *Lock) try(ctx context.Context) (held bool, err error) {
	limited, cancel := context.WithTimeout(ctx, restartWait)
	defer cancel()
	for {
		held, err = l.flock.TryLock()
		if held || err != nil || ReadHolder(l.flock.Path()).PID != 0 {
			return held, err
		}
		if pace.Wait(limited, restartPoll) != nil {
			return false, ctx.Err()
		}
	}
}

// note writes who holds the lock.
func note(path string, holder Holder) error {
	text, err := json.Marshal(holder)
	if err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	_, err = file.Write(append(text, '\n'))
	return errors.Join(err, file.Close())
}

// Release leaves an empty file: removing it would let a third process lock a
// new file while a second one waits on the removed one.
func (l *Lock) Release() error {
	return errors.Join(os.Truncate(l.flock.Path(), 0), l.flock.Close())
}

func lockedBy(path string, holder Holder) error {
	err := exit.As(exit.ErrLocked, fmt.Errorf("locked by %s (%s)", holder, path))
	if holder.PID == 0 {
		return hint.With(err, "wait until it has ended")
	}
	if host, _ := os.Hostname(); holder.Host != host {
		return hint.With(err, "it runs on %s: wait until it has ended there", holder.Host)
	}
	return hint.With(err, `wait until it has ended, or end it with "kill %d"; the next deploy, or "relink recover", then puts right what it left`, holder.PID)
}

// mostHolder bounds what is read of a lock's file.
const mostHolder = 1 << 20

// ReadHolder is zero where it is not known. It reads at most 1 MiB.
func ReadHolder(path string) Holder {
	var holder Holder
	text, err := bounded.File(path, mostHolder)
	if err != nil || json.Unmarshal(text, &holder) != nil {
		return Holder{}
	}
	return holder
}

// Held tells who holds the lock without creating or changing anything. It reads at most
// 1 MiB.
func Held(path string) error {
	probe := flock.New(path, flock.SetFlag(os.O_RDONLY))
	held, err := probe.TryRLock()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("lock %s: %w", path, err)
	case !held:
		return errors.Join(lockedBy(path, ReadHolder(path)), probe.Close())
	}
	return probe.Close()
}

// ThisProcess is the holder that this process is.
func ThisProcess(command string) Holder {
	host, _ := os.Hostname()
	return Holder{PID: os.Getpid(), User: trust.UserName(os.Getuid()), Host: host, Command: command, Since: time.Now().Truncate(time.Second)}
}
