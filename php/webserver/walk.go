package webserver

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
// kernel would follow them. It ends where nothing is: at is there then, and
// missing is what the path goes on to say.
func Walk(path string) (steps []Step, at, missing string) {
	queue := parts(path)
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
		info, err := os.Lstat(here)
		if err != nil {
			return steps, at, filepath.Join(append([]string{name}, queue...)...)
		}
		if info.Mode()&os.ModeSymlink == 0 {
			at = here
			continue
		}
		steps = append(steps, Step{here, filepath.Join(queue...)})
		target, err := os.Readlink(here)
		if err != nil || len(steps) > trust.MostLinks {
			return steps, at, filepath.Join(append([]string{name}, queue...)...)
		}
		if filepath.IsAbs(target) {
			at = "/"
		}
		queue = append(parts(target), queue...)
	}
	return steps, at, ""
}

// behind tells whether path leads through the link at that place, and what it
// goes on to say behind it. The link itself need not exist yet.
func behind(path, link string) (rest string, through bool) {
	steps, at, missing := Walk(path)
	for _, s := range steps {
		if s.Link == link {
			return s.Behind, true
		}
	}
	if missing == "" {
		return "", false
	}
	return strings.CutPrefix(filepath.Join(at, missing)+"/", link+"/")
}
