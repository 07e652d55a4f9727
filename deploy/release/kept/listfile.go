package kept

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"relink/internal/bounded"
	"relink/internal/durable"
	"relink/internal/state"
)

// ListSuffix ends the name of a list.
const ListSuffix = ".files"

// listMode is as of other files of state: what a release consists of is nobody else's.
const listMode = 0o640

// ListPath is the list of what lies in a slot, or of what a release that was put away
// consists of.
func (s Store) ListPath(name string) string {
	return filepath.Join(s.recordDir(), name+ListSuffix)
}

// Write replaces a list, durably.
func (s Store) Write(name string, l List) error {
	text, err := format(l)
	if err != nil {
		return err
	}
	return durable.WriteFile(s.ListPath(name), text, listMode)
}

// format is the head as JSON, and then a line for each entry: there are tens of thousands
// of them, and a deploy reads and writes them all.
func format(l List) ([]byte, error) {
	l.Entries = len(l.Files)
	text, err := json.Marshal(l.Head)
	if err != nil {
		return nil, err
	}
	text = slices.Grow(append(text, '\n'), 200*l.Entries)
	for _, name := range slices.Sorted(maps.Keys(l.Files)) {
		e := l.Files[name]
		for _, n := range []int64{int64(e.Inode), e.Size, e.Modified, e.Changed, int64(e.Mode), int64(e.UID), int64(e.GID), int64(e.Made)} {
			text = append(strconv.AppendInt(text, n, 10), ' ')
		}
		text = append(hex.AppendEncode(text, []byte(e.Sum)), ' ')
		text = append(strconv.AppendQuote(text, name), '\n')
	}
	return text, nil
}

// Read gives an empty one where there is none, or none that can be read: then
// nothing is known. It reads at most 64 MiB, about 300,000 files.
func (s Store) Read(name string) (l List, err error) {
	text, err := state.Read(s.ListPath(name))
	if errors.Is(err, bounded.ErrTooLarge) {
		return l, nil
	}
	if err != nil || text == nil {
		return l, err
	}
	return parse(string(text)), nil
}

// mostHead bounds what is read of a list for its head.
const mostHead = 64 << 10

// ReadHead is Read of the head alone.
func (s Store) ReadHead(name string) (h Head, err error) {
	file, err := bounded.Open(s.ListPath(name))
	if errors.Is(err, fs.ErrNotExist) {
		return h, nil
	}
	if err != nil {
		return h, err
	}
	defer file.Close()
	line, err := bufio.NewReader(io.LimitReader(file, mostHead)).ReadBytes('\n')
	if errors.Is(err, io.EOF) {
		return h, nil
	}
	if err == nil && json.Unmarshal(bytes.TrimSpace(line), &h) != nil {
		h = Head{}
	}
	return h, err
}

// shortestLine keeps a head from asking for more memory than the list is worth.
const shortestLine = len("0 0 0 0 0 0 0 0  \"\"\n")

// parse gives an empty one where not all of it is there.
func parse(text string) List {
	head, rest, _ := strings.Cut(text, "\n")
	var l List
	if json.Unmarshal([]byte(head), &l.Head) != nil || l.Entries < 0 || l.Entries > len(rest)/shortestLine {
		return List{}
	}
	l.Files = make(map[string]Entry, l.Entries)
	for line := range strings.Lines(rest) {
		name, e, err := parseLine(line)
		if err != nil {
			return List{}
		}
		l.Files[name] = e
	}
	if len(l.Files) != l.Entries {
		return List{}
	}
	return l
}

var errForm = errors.New("a line of another form")

func parseLine(line string) (name string, e Entry, err error) {
	line, whole := strings.CutSuffix(line, "\n")
	var n [8]int64
	for i := range n {
		var field string
		field, line, _ = strings.Cut(line, " ")
		if n[i], err = strconv.ParseInt(field, 10, 64); err != nil {
			return "", e, err
		}
	}
	digits, quoted, _ := strings.Cut(line, " ")
	sum, err := hex.DecodeString(digits)
	if err == nil {
		name, err = strconv.Unquote(quoted)
	}
	if err == nil && !whole {
		err = errForm
	}
	return name, Entry{
		Inode: uint64(n[0]), Size: n[1], Modified: n[2], Changed: n[3],
		Mode: fs.FileMode(n[4]), UID: uint32(n[5]), GID: uint32(n[6]), Made: Made(n[7]), Sum: string(sum),
	}, err
}

// OfRelease reads what a release consists of that was put away.
func (s Store) OfRelease(id string) (List, error) {
	l, err := s.Read(id)
	if err == nil && len(l.Files) == 0 {
		err = fmt.Errorf("%w: %s cannot be read", ErrGone, s.ListPath(id))
	}
	return l, err
}

// ErrGone: a file of a release that was put away is nowhere any more. Somebody has
// changed it, in the release that had it too.
var ErrGone = errors.New("a file of the release is gone")
