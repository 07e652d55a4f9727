package links

import (
	"os"
	"path/filepath"
	"strings"

	"relink/internal/trust"
)

// Step is a symbolic link that the kernel passes on the way to a path.
type Step struct {
	Link   string // its place: no link in the folder that holds it
	Behind string // what the path goes on to say: "" or "public"
}

// Walk lists the symbolic links on the way to path, in their order, as the
// kernel would follow them once the links at the places in moved lead elsewhere. It
// ends where nothing is: at is there then, and missing is what the path goes on to say.
func Walk(path string, moved map[string]string) (steps []Step, at, missing string) {
	queue := names(path)
	at = "/"
	for len(queue) > 0 {
		name := queue[0]
		queue = queue[1:]
		switch name {
		case ".":
			continue
		case "..":
			at = filepath.Dir(at)
			continue
		}
		here := filepath.Join(at, name)
		target, is := moved[here]
		if !is {
			info, err := os.Lstat(here)
			if err == nil && info.Mode()&os.ModeSymlink == 0 {
				at = here
				continue
			}
			if err == nil {
				target, err = os.Readlink(here)
			}
			if err != nil {
				return steps, at, filepath.Join(append([]string{name}, queue...)...)
			}
		}
		steps = append(steps, Step{here, filepath.Join(queue...)})
		if len(steps) > trust.MostLinks {
			return steps, at, filepath.Join(append([]string{name}, queue...)...)
		}
		if filepath.IsAbs(target) {
			at = "/"
		}
		queue = append(names(target), queue...)
	}
	return steps, at, ""
}

func names(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == filepath.Separator })
}

// Follow resolves an absolute path as it will be once the links at the places in
// moved lead elsewhere, and tells which of them it passes. What does not exist is
// left as it is spelled.
func Follow(path string, moved map[string]string) (real string, passed []string) {
	steps, at, missing := Walk(filepath.Clean(path), moved)
	for _, step := range steps {
		if _, is := moved[step.Link]; is {
			passed = append(passed, step.Link)
		}
	}
	return filepath.Join(at, missing), passed
}
