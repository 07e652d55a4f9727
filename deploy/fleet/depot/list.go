package depot

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"relink/deploy/source"
)

// List is what one release is made of, as its source brought it.
type List struct {
	Head
	Entries []Entry // by name: a folder before what is in it
}

// Head is what is said of all.
type Head struct {
	Source      string    `json:"source"`
	Commit      string    `json:"commit,omitempty"`
	Description string    `json:"description"`
	Time        time.Time `json:"time"`
}

// Entry is one file, folder or link.
type Entry struct {
	Name string
	Mode fs.FileMode // kind and permissions
	Time time.Time
	Size int64
	Sum  string // SHA-256 of a file, 32 bytes; of a link its text; of a folder nothing
}

// hex names what a file holds.
func (e Entry) hex() string { return hex.EncodeToString([]byte(e.Sum)) }

// mostList bounds a list, in bytes.
const mostList = 256 << 20

// mostMode is what a source leaves of permissions (source/dir, source/archive).
const mostMode = 0o755

var kinds = map[fs.FileMode]byte{0: 'f', fs.ModeDir: 'd', fs.ModeSymlink: 'l'}

// format is the head as JSON, and a line for each entry. Of two lists that say the same it is
// the same.
func (l List) format() ([]byte, error) {
	text, err := json.Marshal(l.Head)
	if err != nil {
		return nil, err
	}
	text = slices.Grow(append(text, '\n'), 160*len(l.Entries))
	for _, e := range l.Entries {
		text = e.line(text)
	}
	return text, nil
}

// line ends with the name: kind, permissions, time in ns, size, hash, name.
func (e Entry) line(text []byte) []byte {
	text = append(text, kinds[e.Mode.Type()], ' ')
	text = append(strconv.AppendUint(text, uint64(e.Mode.Perm()), 8), ' ')
	text = append(strconv.AppendInt(text, e.Time.UnixNano(), 10), ' ')
	text = append(strconv.AppendInt(text, e.Size, 10), ' ')
	text = append(append(text, e.hex()...), ' ')
	return append(strconv.AppendQuote(text, e.Name), '\n')
}

// ErrList: a list that no source makes.
var ErrList = errors.New("not a list of a release")

// parse refuses what would lead out of a release, or be more than one may hold.
func parse(text []byte) (l List, err error) {
	head, rest, _ := bytes.Cut(text, []byte("\n"))
	if err := json.Unmarshal(head, &l.Head); err != nil {
		return l, fmt.Errorf("%w: %w", ErrList, err)
	}
	l.Entries = make([]Entry, 0, bytes.Count(rest, []byte("\n")))
	for line := range bytes.Lines(rest) {
		e, err := parseLine(string(line))
		if err != nil {
			return l, fmt.Errorf("%w: %q: %w", ErrList, line, err)
		}
		l.Entries = append(l.Entries, e)
	}
	return l, l.check()
}

var errLine = errors.New("a line of another form")

func parseLine(line string) (e Entry, err error) {
	fields := strings.SplitN(strings.TrimSuffix(line, "\n"), " ", 6)
	if len(fields) != 6 || len(fields[0]) != 1 || !strings.HasSuffix(line, "\n") {
		return e, errLine
	}
	known := false
	for kind, letter := range kinds {
		if letter == fields[0][0] {
			e.Mode, known = kind, true
		}
	}
	perm, err := strconv.ParseUint(fields[1], 8, 32)
	if err != nil || !known || perm&^mostMode != 0 {
		return e, errLine
	}
	e.Mode |= fs.FileMode(perm)
	modified, err := strconv.ParseInt(fields[2], 10, 64)
	if err != nil {
		return e, err
	}
	e.Time = time.Unix(0, modified)
	if e.Size, err = strconv.ParseInt(fields[3], 10, 64); err != nil {
		return e, err
	}
	sum, err := hex.DecodeString(fields[4])
	if err != nil {
		return e, err
	}
	e.Sum = string(sum)
	e.Name, err = strconv.Unquote(fields[5])
	return e, err
}

// check holds all against what a release may be.
func (l List) check() error {
	folders, before, total := map[string]bool{".": true}, "", int64(0)
	for _, e := range l.Entries {
		regular := e.Mode.IsRegular()
		switch {
		case !fs.ValidPath(e.Name) || e.Name == "." || strings.ContainsRune(e.Name, 0) || !folders[path.Dir(e.Name)]:
			return fmt.Errorf("%w: %q cannot be in it", ErrList, e.Name)
		case e.Name <= before:
			return fmt.Errorf("%w: %q is not in its place", ErrList, e.Name)
		case e.Size < 0, !regular && e.Size != 0, regular && len(e.Sum) != sha256.Size, e.Mode.IsDir() && e.Sum != "", e.Mode.Type() == fs.ModeSymlink && e.Sum == "":
			return fmt.Errorf("%w: %q cannot hold that", ErrList, e.Name)
		}
		folders[e.Name], before = e.Mode.IsDir(), e.Name
		if e.Size > source.MostBytes {
			return fmt.Errorf("%q: %w", e.Name, source.ErrTooLarge)
		}
		if total += e.Size; total > source.MostBytes {
			break
		}
	}
	return source.CheckSize(int64(len(l.Entries)), total)
}

func (l List) bytes() (n int64) {
	for _, e := range l.Entries {
		n += e.Size
	}
	return n
}

func (l List) files() (n int) {
	for _, e := range l.Entries {
		if e.Mode.IsRegular() {
			n++
		}
	}
	return n
}

// idOf is the SHA-256 of a list, by which it is asked for.
func idOf(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// isID keeps what others say from being a path.
func isID(id string) bool {
	sum, err := hex.DecodeString(id)
	return err == nil && len(sum) == sha256.Size && hex.EncodeToString(sum) == id
}
