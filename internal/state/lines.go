package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"relink/internal/bounded"
	"relink/internal/durable"

	"golang.org/x/sys/unix"
)

const (
	linesMost = 1000 // lines at which the file is shortened
	linesKept = 500  // lines that are kept then
	// bytesMost bounds the file where its lines are long: a deploy of 10,000
	// instances takes 5 MB.
	bytesMost = 64 << 20
)

// Lines is a history: JSON lines, the oldest first, of which the last 64 MiB are read
// and, if that is less, the last 500 kept. One process appends at a time; any number
// may read meanwhile.
type Lines[T any] struct {
	Path string
	// Whole tells a line from one that another version wrote otherwise.
	Whole func(T) bool
}

// Append adds a line, durably. Of those that are there it reads at most 64 MiB.
func (l Lines[T]) Append(value T) error {
	line, err := json.Marshal(value)
	if err != nil {
		return err
	}
	line = append(line, '\n')
	old, err := tail(l.Path, bytesMost)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if len(old) > 0 && old[len(old)-1] != '\n' {
		line = append([]byte("\n"), line...) // a line that a crash cut short spoils only itself
	}
	if kept := shortened(old, len(line), bytesMost); kept != nil {
		return durable.WriteFile(l.Path, append(kept, line...), mode)
	}
	return Append(l.Path, line)
}

// Append adds to a file, which it makes, durably.
func Append(path string, data []byte) error {
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY|unix.O_NOFOLLOW, mode)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	return errors.Join(err, file.Sync(), file.Close(), durable.SyncDir(filepath.Dir(path)))
}

// shortened gives the lines that stay where there would be too many, or too long ones,
// with that many bytes more; else nil.
func shortened(text []byte, more, most int) []byte {
	if len(text)+more <= most && bytes.Count(text, []byte("\n")) < linesMost {
		return nil
	}
	return lastLines(text, linesKept, most/2)
}

// lastLines gives at most n lines, of at most that many bytes together. It counts a
// line that was cut short as one.
func lastLines(text []byte, n, most int) []byte {
	begin := len(text)
	for ; n > 0 && begin > 0; n-- {
		before := bytes.LastIndexByte(text[:begin-1], '\n') + 1
		if len(text)-before > most {
			break
		}
		begin = before
	}
	return text[begin:]
}

// All gives the lines, the oldest first; none where there is no file. There are at most
// 1,000, out of the last 64 MiB.
func (l Lines[T]) All() ([]T, error) {
	all, err := l.Last(linesMost, bytesMost)
	slices.Reverse(all)
	return all, err
}

// Last gives at most n lines, the newest first, out of the file's last bytes. Lines that
// a crash, or the beginning of the tail, cut short are passed over, and those that are not
// whole. most bounds the bytes that are read.
func (l Lines[T]) Last(n int, most int64) ([]T, error) {
	end, err := l.End(most)
	var all []T
	for len(all) < n {
		value, more := end.Next()
		if !more {
			break
		}
		all = append(all, value)
	}
	return all, err
}

// End is the end of a file of lines, which are understood one after the other, the newest
// first, as far as somebody asks. The zero End has none.
type End[T any] struct {
	lines Lines[T]
	text  []byte
}

// End reads the file's last bytes, most at most; none where there is no file.
func (l Lines[T]) End(most int64) (*End[T], error) {
	text, err := tail(l.Path, most)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return &End[T]{l, text}, err
}

// Next is the line before; false where there is none. Those are passed over that are not
// whole.
func (e *End[T]) Next() (value T, more bool) {
	for len(e.text) > 0 {
		begin := bytes.LastIndexByte(e.text[:len(e.text)-1], '\n') + 1
		var value T
		err := json.Unmarshal(e.text[begin:], &value)
		e.text = e.text[:begin]
		if err == nil && e.lines.Whole(value) {
			return value, true
		}
	}
	return value, false
}

// Has tells whether a value that needs no escaping has been written under a name of a field,
// anywhere in the lines that were not asked for yet, as Strings finds it.
func (e *End[T]) Has(field, value string) bool {
	return bytes.Contains(e.text, []byte(strconv.Quote(field)+":"+strconv.Quote(value)))
}

// Strings lists what has been written under a name of a field, anywhere in the lines that
// were not asked for yet, each once, the oldest first. It looks for that text alone, ten times
// as fast as the lines are understood: within a string of JSON each quote has a backslash
// before it.
func (e *End[T]) Strings(field string) []string {
	mark := []byte(strconv.Quote(field) + `:"`)
	var all []string
	seen := map[string]bool{}
	for rest := e.text; ; {
		_, after, found := bytes.Cut(rest, mark)
		if !found {
			return all
		}
		rest = after
		quoted := beforeQuote(after)
		if seen[string(quoted)] {
			continue
		}
		seen[string(quoted)] = true
		var value string
		if json.Unmarshal(slices.Concat([]byte{'"'}, quoted, []byte{'"'}), &value) == nil {
			all = append(all, value)
		}
	}
}

// beforeQuote is a string of JSON up to its closing quote; no string where it was cut short.
func beforeQuote(text []byte) []byte {
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return text[:i]
		case '\n':
			return text[:i+1]
		}
	}
	return []byte{'\n'}
}

func tail(path string, most int64) ([]byte, error) {
	file, err := bounded.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	text := make([]byte, min(info.Size(), most))
	n, err := file.ReadAt(text, info.Size()-int64(len(text)))
	if errors.Is(err, io.EOF) { // it is replaced, never cut, so that this is its end
		err = nil
	}
	return text[:n], err
}
