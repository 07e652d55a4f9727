package crash

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// changesData tells the calls that change what a file holds; those that change
// neither this nor names are no matter of a power cut.
var changesData = []string{"write", "truncate", "fallocate"}

var changesNames = []string{"create", "mkdir", "symlink", "link", "rename", "unlink", "rmdir"}

// matter are the events of a log that a power cut can lose, or that keep others
// from being lost.
func matter(log []event) (events []event) {
	for _, e := range log {
		if e.Done && e.Result >= 0 && (slices.Contains(changesData, e.Call) || slices.Contains(changesNames, e.Call) || e.Call == "fsync" || e.Call == "syncfs") {
			events = append(events, e)
		}
	}
	return events
}

// durable tells whether an event has to be on disk once those after it were done:
// data by fsync of the file, a name by fsync of each folder that it is in, both by
// syncfs. This is what POSIX grants and no more; ext4, xfs and btrfs grant more.
func durable(e event, after []event) bool {
	var synced []uint64
	for _, s := range after {
		if s.Call == "syncfs" {
			return true
		}
		if s.Call == "fsync" {
			synced = append(synced, s.Inode)
		}
	}
	if slices.Contains(changesData, e.Call) {
		return slices.Contains(synced, e.Inode)
	}
	return !slices.ContainsFunc(e.Dirs, func(dir uint64) bool { return !slices.Contains(synced, dir) })
}

// mostStates bounds the states that are looked at of one power cut.
const mostStates = 16

// state is what may be on disk after a power cut.
type state struct {
	lost []int // of the events, those that are not
	torn int   // this one is a write of which half is; -1: none
}

func (s state) key(cut int) string {
	b := []byte(strconv.Itoa(s.torn))
	for i := range cut {
		if slices.Contains(s.lost, i) {
			b = append(b, '0')
		} else {
			b = append(b, '1')
		}
	}
	return string(b)
}

// states are those that a power cut after so many events may leave: all of what is
// not durable may be lost, or none, or any choice of it. Where the choices are more
// than mostStates, all, none, each alone of the latest, and choices by lot are taken.
func states(events []event, cut int, lot *rand.Rand) (all []state) {
	var pending []int
	for i := range cut {
		if e := events[i]; e.Call != "fsync" && e.Call != "syncfs" && !durable(e, events[i+1:cut]) {
			pending = append(pending, i)
		}
	}
	all = append(all, state{nil, -1}, state{pending, -1})
	for i := len(pending) - 1; i >= 0 && i >= len(pending)-3; i-- {
		all = append(all, state{[]int{pending[i]}, -1}, state{slices.Delete(slices.Clone(pending), i, i+1), -1})
		if events[pending[i]].Call == "write" {
			all = append(all, state{nil, pending[i]})
		}
	}
	if n := len(pending); n <= 4 {
		for choice := range 1 << n {
			all = append(all, state{chosen(pending, func(i int) bool { return choice>>i&1 == 1 }), -1})
		}
		return all
	}
	for len(all) < mostStates {
		all = append(all, state{chosen(pending, func(int) bool { return lot.IntN(2) == 0 }), -1})
	}
	return all
}

func chosen(pending []int, take func(i int) bool) (lost []int) {
	for i, event := range pending {
		if take(i) {
			lost = append(lost, event)
		}
	}
	return lost
}

// replay makes the events again, but for those that are lost. One that depends on
// a lost one is lost too.
func replay(events []event, s state) {
	for i, e := range events {
		if !slices.Contains(s.lost, i) {
			e.again(i == s.torn)
		}
	}
}

func (e event) again(torn bool) {
	switch e.Call {
	case "create":
		if file, err := os.OpenFile(e.Path, os.O_CREATE|os.O_WRONLY, fs.FileMode(e.Value).Perm()); err == nil {
			file.Close()
		}
	case "write", "truncate", "fallocate":
		if _, err := os.Lstat(e.Path); err == nil {
			data := e.Data
			if torn {
				data = data[:max(0, len(data)-int(e.Result)/2)]
			}
			_ = os.WriteFile(e.Path, data, 0o644)
		}
	case "mkdir":
		_ = os.Mkdir(e.Path, 0o755)
	case "symlink":
		_ = os.Symlink(e.To, e.Path)
	case "link":
		_ = os.Link(e.Path, e.To)
	case "rename":
		_ = os.Rename(e.Path, e.To)
	case "unlink", "rmdir":
		_ = os.Remove(e.Path)
	}
}

// copyTree makes to a copy of from.
func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := to + strings.TrimPrefix(name, from)
		switch {
		case entry.IsDir():
			return os.MkdirAll(target, 0o755)
		case entry.Type()&fs.ModeSymlink != 0:
			text, err := os.Readlink(name)
			return errors.Join(err, os.Symlink(text, target))
		}
		data, err := os.ReadFile(name)
		return errors.Join(err, os.WriteFile(target, data, 0o644))
	})
}
