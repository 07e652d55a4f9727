package kept

import (
	"io/fs"
	"syscall"
	"time"
)

// List lists what a release in a slot consists of, as it was sealed.
type List struct {
	Head
	Files map[string]Entry // and folders and links
}

// Head is what a list says of all.
type Head struct {
	App     string    `json:"app"`              // whose slot it is: the application's history
	Slot    string    `json:"slot"`             // in which it was made
	Sealed  time.Time `json:"sealed"`           // before anything was looked at
	Source  string    `json:"source,omitempty"` // of the release
	Commit  string    `json:"commit,omitempty"`
	Entries int       `json:"entries"`
}

// Entry is a file, folder or link: how the kernel tells that nobody has touched it
// since, and what it holds. Only the kernel sets the time of a change (ctime).
type Entry struct {
	Inode             uint64
	Size              int64
	Modified, Changed int64 // in ns
	Mode              fs.FileMode
	UID, GID          uint32
	Made              Made
	Sum               string // SHA-256, 32 bytes; of a link its text; of a folder nothing
}

// Made tells where something comes from.
type Made uint8

const (
	Brought Made = iota // as its source brought it
	Built               // by a build, or by relink
	Altered             // a file that its source brought otherwise
)

// EntryOf leaves out what it holds.
func EntryOf(info fs.FileInfo) Entry {
	st := info.Sys().(*syscall.Stat_t)
	return Entry{
		Inode: st.Ino, Size: info.Size(), Modified: info.ModTime().UnixNano(), Changed: time.Unix(st.Ctim.Unix()).UnixNano(),
		Mode: info.Mode(), UID: st.Uid, GID: st.Gid,
	}
}

// ClockGrain is more than the kernel's clock for files is late, and than two changes
// may lie apart that it gives the same time.
const ClockGrain = 20 * time.Millisecond

// Knows tells whether a file or link is the very one of the list. One that was changed
// just before that was made might have been changed once more within the same tick.
func (i List) Knows(name string, now Entry) bool {
	e, there := i.Files[name]
	return there && now.IsThe(e) && e.Changed < i.Sealed.Add(-ClockGrain).UnixNano()
}

// IsThe tells whether the two are the same inode, which nobody has touched in between.
func (e Entry) IsThe(other Entry) bool {
	e.Made, e.Sum = other.Made, other.Sum
	return e == other
}

// SameAs tells whether the two hold the same and may be read by the same.
func (e Entry) SameAs(other Entry) bool {
	return e.Mode == other.Mode && e.UID == other.UID && e.GID == other.GID && e.Sum == other.Sum
}

// Holds tells whether the two have the same content and permissions.
func (e Entry) Holds(other Entry) bool {
	return e.Mode == other.Mode && e.Sum == other.Sum && !e.Mode.IsDir() && e.Sum != ""
}
