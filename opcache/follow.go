package opcache

import (
	"os"
	"path/filepath"
	"strings"
)

// linksMost is the kernel's own bound on symbolic links in one path.
const linksMost = 40

// Follow resolves an absolute path as it will be once the links at the places in
// moved lead elsewhere, and tells which of them it passes. What does not exist is
// left as it is spelled.
func Follow(path string, moved map[string]string) (real string, passed []string) {
	at, rest := "/", strings.Split(filepath.Clean(path), "/")
	for links := 0; len(rest) > 0; {
		name := rest[0]
		rest = rest[1:]
		switch name {
		case "", ".":
			continue
		case "..":
			at = filepath.Dir(at)
			continue
		}
		next := filepath.Join(at, name)
		target, is := moved[next]
		if is {
			passed = append(passed, next)
		} else if info, err := os.Lstat(next); err != nil || info.Mode()&os.ModeSymlink == 0 {
			at = next
			continue
		} else if target, err = os.Readlink(next); err != nil {
			at = next
			continue
		}
		if links++; links > linksMost {
			return filepath.Join(append([]string{next}, rest...)...), passed
		}
		if filepath.IsAbs(target) {
			at = "/"
		}
		rest = append(strings.Split(target, "/"), rest...)
	}
	return at, passed
}
