// Package webmap is the file that tells the web server which release serves:
// the text map of Apache's mod_rewrite, a line "key release" for each site,
// replaced as a whole so that a request sees the old map or the new one.
package webmap

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"relink/deploy/apps"
	"relink/internal/hint"

	"golang.org/x/sys/unix"
)

// Map has a line for each site: its key, an instance's name or a host's in lower
// case, and the folder of the release that it is served from: its id, or its slot.
type Map map[string]string

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
func (m Map) format() ([]byte, error) {
	var b bytes.Buffer
	b.WriteString(header)
	for _, key := range slices.Sorted(maps.Keys(m)) {
		if err := checkLine(key, m[key]); err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, "%s %s\n", key, m[key])
	}
	return b.Bytes(), nil
}

// checkLine refuses what mod_rewrite would read as something else, and a release
// that is no plain name inside the releases folder.
func checkLine(key, release string) error {
	switch {
	case !word(key) || strings.HasPrefix(key, "#"):
		return hint.With(fmt.Errorf("key %q: %w", key, ErrEntry), "name the instance without white space and control characters")
	case !word(release) || strings.HasPrefix(release, ".") || strings.Contains(release, "/"):
		return hint.With(fmt.Errorf("release %q of %s: %w", release, key, ErrEntry), "a release is a plain name inside the releases folder")
	case len(key)+len(release) >= maxLine:
		return fmt.Errorf("key %.20q with %d bytes in its line: %w", key, len(key)+len(release), ErrEntry)
	}
	return nil
}

// word tells whether s is one word of printable text.
func word(s string) bool {
	return s != "" && utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsPrint(r)
	}) < 0
}

// Of is what Apache's map says where the instances, in their order, are on these releases: a
// line for each instance, and one for its host. What is on no release has none, for the rule of
// the web server serves only releases.
func Of(app apps.App, released []string) Map {
	names, all, folders := Map{}, Map{}, map[string]string{}
	for i, instance := range app.Instances {
		id := released[i]
		if id == "" || filepath.IsAbs(id) {
			continue
		}
		if folders[id] == "" {
			folders[id] = filepath.Base(app.ReleaseDir(id)) // the web server shall send real paths: not by the link to a slot
		}
		names[instance.Name] = folders[id]
		all[HostKey(instance.Probe.Host)] = folders[id]
	}
	delete(all, "")
	maps.Copy(all, names)
	return all
}

// maxSize bounds what is read: a map of 1,000 sites has 40 kB.
const maxSize = 16 << 20

// Read tells what Apache finds in the map: of two lines with one key the first
// counts, comments and what begins with white space do not. A map of more than 16 MiB, or
// with a line of more than 64 KiB, is an error.
func Read(path string) (Map, error) {
	// O_NONBLOCK: a pipe in its place must not hold the reader up.
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("map: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("is no file")
	}
	if err != nil {
		return nil, fmt.Errorf("map %s: %w", path, err)
	}
	read, err := parse(file)
	if err != nil {
		return nil, fmt.Errorf("map %s: %w", path, err)
	}
	return read, nil
}

func parse(r io.Reader) (Map, error) {
	limited := &io.LimitedReader{R: r, N: maxSize + 1}
	lines := bufio.NewScanner(limited)
	read := Map{}
	for lines.Scan() {
		line := lines.Text()
		fields := strings.Fields(line)
		if len(fields) < 2 || line[0] == '#' || !strings.HasPrefix(line, fields[0]) {
			continue
		}
		if _, there := read[fields[0]]; !there {
			read[fields[0]] = fields[1]
		}
	}
	if limited.N == 0 {
		return nil, fmt.Errorf("is larger than %d bytes", maxSize)
	}
	return read, lines.Err()
}
