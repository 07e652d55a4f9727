package release

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"syscall"
	"time"
)

// index is what lay in a slot when a release was sealed in it.
type index struct {
	Sealed time.Time          `json:"sealed"`           // before anything was looked at
	Source string             `json:"source,omitempty"` // of the release
	Commit string             `json:"commit,omitempty"`
	Files  map[string]indexed `json:"files"` // all but folders
}

// indexed is a file or link: how the kernel tells that nobody has touched it since, and
// what it holds. Only the kernel sets the time of a change (ctime).
type indexed struct {
	Inode             uint64
	Size              int64
	Modified, Changed int64 // in ns
	Mode              fs.FileMode
	Made              bool   // not as its source brought it: by a build, or by relink
	Sum               string // SHA-256; of a link its text
}

const entryFormat = "%d %d %d %d %o %t %s"

// MarshalText is one line, since there are tens of thousands of them.
func (e indexed) MarshalText() ([]byte, error) {
	return fmt.Appendf(nil, entryFormat, e.Inode, e.Size, e.Modified, e.Changed, uint32(e.Mode), e.Made, hex.EncodeToString([]byte(e.Sum))), nil
}

// UnmarshalText reads what MarshalText wrote.
func (e *indexed) UnmarshalText(text []byte) error {
	var mode uint32
	var sum string
	if _, err := fmt.Sscanf(string(text), entryFormat, &e.Inode, &e.Size, &e.Modified, &e.Changed, &mode, &e.Made, &sum); err != nil {
		return err
	}
	decoded, err := hex.DecodeString(sum)
	e.Mode, e.Sum = fs.FileMode(mode), string(decoded)
	return err
}

// parseIndex gives an empty index for what it cannot read: the slot is then retired.
func parseIndex(text []byte) (i index) {
	if json.Unmarshal(text, &i) != nil {
		return index{}
	}
	return i
}

// clockGrain is more than the kernel's clock for files is late, and than two changes
// may lie apart that it gives the same time.
const clockGrain = 20 * time.Millisecond

// knows tells whether a file is the very one of the index. One that was changed just
// before that was made might have been changed once more within the same tick.
func (i index) knows(name string, info fs.FileInfo) bool {
	e, there := i.Files[name]
	now := entryOf(info)
	return there && e.Changed < i.Sealed.Add(-clockGrain).UnixNano() &&
		e.Inode == now.Inode && e.Size == now.Size && e.Changed == now.Changed && e.Mode == now.Mode
}

// entryOf leaves out what it holds.
func entryOf(info fs.FileInfo) indexed {
	st := info.Sys().(*syscall.Stat_t)
	return indexed{Inode: st.Ino, Size: info.Size(), Modified: info.ModTime().UnixNano(), Changed: time.Unix(st.Ctim.Unix()).UnixNano(), Mode: info.Mode()}
}
