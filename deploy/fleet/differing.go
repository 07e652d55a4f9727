package fleet

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// List is what a release is made of, as short as will tell where two differ: compressed
// lines of the start of a hash, and a path.
type List struct {
	text bytes.Buffer
	zip  *gzip.Writer
}

// NewList is an empty one.
func NewList() *List {
	l := &List{}
	l.zip = gzip.NewWriter(&l.text)
	return l
}

// Add is one entry: its path, and all that it is in words.
func (l *List) Add(name, is string) {
	sum := sha256.Sum256([]byte(is))
	fmt.Fprintf(l.zip, "%x %q\n", sum[:4], name) // into memory
}

// Bytes ends the list.
func (l *List) Bytes() []byte {
	_ = l.zip.Close() // into memory
	return l.text.Bytes()
}

// mostListed bounds what is unpacked of a list.
const mostListed = 64 << 20

// read gives the hashes by path.
func read(list []byte) (map[string]string, error) {
	unzip, err := gzip.NewReader(bytes.NewReader(list))
	if err != nil {
		return nil, err
	}
	found := map[string]string{}
	lines := bufio.NewScanner(io.LimitReader(unzip, mostListed))
	for lines.Scan() {
		sum, quoted, _ := strings.Cut(lines.Text(), " ")
		name, err := strconv.Unquote(quoted)
		if err != nil {
			return nil, err
		}
		found[name] = sum
	}
	return found, lines.Err()
}

// Differing are the paths that two lists do not have alike, sorted; of each list at most 64 MiB are
// unpacked.
func Differing(one, other []byte) ([]string, error) {
	a, err := read(one)
	if err != nil {
		return nil, err
	}
	b, err := read(other)
	if err != nil {
		return nil, err
	}
	differ := map[string]bool{}
	for name, sum := range a {
		if b[name] != sum {
			differ[name] = true
		}
	}
	for name, sum := range b {
		if a[name] != sum {
			differ[name] = true
		}
	}
	return slices.Sorted(maps.Keys(differ)), nil
}
