package health

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"relink/internal/realpath"
)

// speller knows the literal ways in which the web server may reach a link:
// OPcache keeps the path that it was sent, letter by letter.
type speller struct {
	folders map[string][]string // real folder -> spellings of it
}

// newSpeller learns from the configuration and from the scripts that workers
// ran last.
func newSpeller(a Application, scripts []string) speller {
	s := speller{folders: map[string][]string{}}
	for _, instance := range a.Instances {
		s.learn(filepath.Dir(instance.Link))
	}
	for _, folder := range a.ReachedAs {
		s.learn(folder)
	}
	for _, script := range scripts {
		s.learnFrom("/" + strings.TrimLeft(script, "/"))
	}
	return s
}

func (s speller) learn(folder string) {
	real, err := realpath.Of(folder)
	if err != nil {
		real = folder
	}
	for _, spelling := range []string{folder, real} {
		if !slices.Contains(s.folders[real], spelling) {
			s.folders[real] = append(s.folders[real], spelling)
		}
	}
}

// learnFrom takes the folders in which a script's path passes a symlink.
func (s speller) learnFrom(script string) {
	for path := filepath.Dir(script); path != "/" && path != "."; path = filepath.Dir(path) {
		if info, err := os.Lstat(path); err == nil && info.Mode()&os.ModeSymlink != 0 {
			s.learn(filepath.Dir(path))
		}
	}
}

// of spells a link. The link's own name is the same in each.
func (s speller) of(link string) []string {
	real, err := realpath.Of(filepath.Dir(link))
	if err != nil {
		real = filepath.Dir(link)
	}
	var all []string
	for _, folder := range s.folders[real] {
		all = append(all, filepath.Join(folder, filepath.Base(link)))
	}
	return all
}

// scriptsSeen are the paths of scripts that the workers of a cache ran last.
func (g *gathering) scriptsSeen(c *cache) []string {
	var seen []string
	for _, a := range c.pools {
		if a.facts.Status == nil {
			continue
		}
		for _, p := range a.facts.Status.Processes {
			if strings.HasPrefix(p.Script, "/") {
				seen = append(seen, c.paths().ToHost(p.Script))
			}
		}
	}
	return seen
}
