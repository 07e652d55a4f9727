package kept

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"relink/internal/bounded"
	"relink/internal/state"
)

// List lists what a release in a slot consists of, as it was sealed.
type List struct {
	App    string           `json:"app"`              // whose slot it is: the application's history
	Slot   string           `json:"slot"`             // in which it was made
	Sealed time.Time        `json:"sealed"`           // before anything was looked at
	Source string           `json:"source,omitempty"` // of the release
	Commit string           `json:"commit,omitempty"`
	Files  map[string]Entry `json:"files"` // and folders and links
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

// numbers are those of the fields, in the order in which they are written.
const numbers = 8

// MarshalText is one line, since there are tens of thousands of them.
func (e Entry) MarshalText() ([]byte, error) {
	return fmt.Appendf(nil, "%d %d %d %d %d %d %d %d %x", e.Inode, e.Size, e.Modified, e.Changed, uint32(e.Mode), e.UID, e.GID, e.Made, e.Sum), nil
}

// UnmarshalText reads what MarshalText wrote.
func (e *Entry) UnmarshalText(text []byte) error {
	fields := strings.Split(string(text), " ")
	if len(fields) != numbers+1 {
		return errors.New("an entry of another form")
	}
	var n [numbers]int64
	var failed []error
	for i, field := range fields[:numbers] {
		var err error
		n[i], err = strconv.ParseInt(field, 10, 64)
		failed = append(failed, err)
	}
	sum, err := hex.DecodeString(fields[numbers])
	*e = Entry{
		Inode: uint64(n[0]), Size: n[1], Modified: n[2], Changed: n[3],
		Mode: fs.FileMode(n[4]), UID: uint32(n[5]), GID: uint32(n[6]), Made: Made(n[7]), Sum: string(sum),
	}
	return errors.Join(append(failed, err)...)
}

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
func (i List) Knows(name string, info fs.FileInfo) bool {
	e, there := i.Files[name]
	now := EntryOf(info)
	now.Made, now.Sum = e.Made, e.Sum
	return there && e == now && e.Changed < i.Sealed.Add(-ClockGrain).UnixNano()
}

// SameAs tells whether the two hold the same and may be read by the same.
func (e Entry) SameAs(other Entry) bool {
	return e.Mode == other.Mode && e.UID == other.UID && e.GID == other.GID && e.Sum == other.Sum
}

// ListSuffix ends the name of a list.
const ListSuffix = ".files"

// ListPath is the list of what lies in a slot, or of what a release that was put away
// consists of.
func (s Store) ListPath(name string) string {
	return filepath.Join(s.recordDir(), name+ListSuffix)
}

// Read gives an empty one where there is none, or none that can be read: then
// nothing is known. It reads at most 64 MiB, about 300,000 files.
func (s Store) Read(name string) (i List, err error) {
	text, err := state.Read(s.ListPath(name))
	if errors.Is(err, bounded.ErrTooLarge) {
		return i, nil
	}
	if err != nil || text == nil {
		return i, err
	}
	return parse(text), nil
}

func parse(text []byte) (i List) {
	if json.Unmarshal(text, &i) != nil {
		return List{}
	}
	return i
}

// OfRelease reads what a release consists of that was put away.
func (s Store) OfRelease(id string) (List, error) {
	i, err := s.Read(id)
	if err == nil && len(i.Files) == 0 {
		err = fmt.Errorf("%w: %s cannot be read", ErrGone, s.ListPath(id))
	}
	return i, err
}

// ErrGone: a file of a release that was put away is nowhere any more. Somebody has
// changed it, in the release that had it too.
var ErrGone = errors.New("a file of the release is gone")

// Holds tells whether the two have the same content and permissions.
func (e Entry) Holds(other Entry) bool {
	return e.Mode == other.Mode && e.Sum == other.Sum && !e.Mode.IsDir() && e.Sum != ""
}
