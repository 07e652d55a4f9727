// Package webmap is the file that tells the web server which release serves:
// the text map of Apache's mod_rewrite, a line "key release" for each site,
// replaced as a whole so that a request sees the old map or the new one.
package webmap

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"relink/internal/hint"
)

// Entry is one line: the site Key, an instance's name or a host's in lower
// case, is served from the release with the id Release.
type Entry struct{ Key, Release string }

// HostKey is a host as the map has it: in lower case and without a port.
func HostKey(host string) string {
	host, _, _ = strings.Cut(strings.ToLower(host), ":")
	return host
}

// ErrEntry: something cannot be written in a map.
var ErrEntry = errors.New("not fit for a map")

// maxLine is what mod_rewrite reads of a line, less some (REWRITE_MAX_TXT_MAP_LINE
// is 1024): the rest would be taken for a line of its own.
const maxLine = 1000

const header = `# Written by relink: which release each site is served from. Apache reads it
# again when it changes; what is written here by hand goes with the next deploy.
`

// format is the file's content, sorted by key, so that two maps can be compared.
func format(entries []Entry) ([]byte, error) {
	sorted := slices.SortedFunc(slices.Values(entries), func(a, b Entry) int { return cmp.Compare(a.Key, b.Key) })
	var b bytes.Buffer
	b.WriteString(header)
	for i, entry := range sorted {
		if err := entry.check(); err != nil {
			return nil, err
		}
		if i > 0 && sorted[i-1].Key == entry.Key {
			return nil, fmt.Errorf("key %q, twice: %w", entry.Key, ErrEntry)
		}
		fmt.Fprintf(&b, "%s %s\n", entry.Key, entry.Release)
	}
	return b.Bytes(), nil
}

// check refuses what mod_rewrite would read as something else, and a release
// that is no plain name inside the releases folder.
func (e Entry) check() error {
	switch {
	case !word(e.Key) || strings.HasPrefix(e.Key, "#"):
		return hint.With(fmt.Errorf("key %q: %w", e.Key, ErrEntry), "name the instance without white space and control characters")
	case !word(e.Release) || strings.HasPrefix(e.Release, ".") || strings.Contains(e.Release, "/"):
		return hint.With(fmt.Errorf("release %q of %s: %w", e.Release, e.Key, ErrEntry), "a release is a plain name inside the releases folder")
	case len(e.Key)+len(e.Release) >= maxLine:
		return fmt.Errorf("key %.20q with %d bytes in its line: %w", e.Key, len(e.Key)+len(e.Release), ErrEntry)
	}
	return nil
}

// word tells whether s is one word of printable text.
func word(s string) bool {
	return s != "" && utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsPrint(r)
	}) < 0
}
