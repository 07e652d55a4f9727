package webmap

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// maxSize bounds what is read: a map of 1,000 sites has 40 kB.
const maxSize = 16 << 20

// Read tells what Apache finds in the map: of two lines with one key the first
// counts, comments and what begins with white space do not.
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
