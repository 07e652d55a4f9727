package internal_test

import (
	"bytes"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

// A package that nobody can keep in mind is several: tests do not count.
const (
	mostLines = 3000
	mostFiles = 25
)

func TestPackagesAreSmall(t *testing.T) {
	lines, files := map[string]int{}, map[string]int{}
	err := filepath.WalkDir("..", func(name string, entry fs.DirEntry, err error) error {
		switch base := entry.Name(); {
		case err != nil:
			return err
		case entry.IsDir() && name != ".." && (base == "testdata" || strings.HasPrefix(base, ".")):
			return filepath.SkipDir
		case entry.IsDir() || filepath.Ext(base) != ".go" || strings.HasSuffix(base, "_test.go"):
			return nil
		}
		text, err := os.ReadFile(name)
		folder := path.Dir(filepath.ToSlash(name))
		files[folder]++
		lines[folder] += bytes.Count(text, []byte("\n"))
		return err
	})
	if err != nil || len(files) == 0 {
		t.Fatal(len(files), err)
	}
	for folder := range files {
		if lines[folder] > mostLines || files[folder] > mostFiles {
			t.Errorf("%s has %d lines in %d files, more than %d or %d: split it", folder, lines[folder], files[folder], mostLines, mostFiles)
		}
	}
}
