package opcache

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"relink/internal/realpath"
)

// A spelling is one literal way in which the web server reaches a link: OPcache
// keeps Prefix + "/" + rest as a key for the script at <link>/Sub/rest. Sub is
// not empty where the document root is itself a symlink into the instance
// (/var/www/site -> /srv/instances/club1/public).
type spelling struct {
	Prefix string
	Sub    string
}

// maxSymlinks is what the kernel follows before it gives ELOOP.
const maxSymlinks = 40

// linkPlaces maps the canonical place of a link (real folder + name) to its
// indexes: a link is listed once for each old target that has to be cleared.
type linkPlaces map[string][]int

func placesOf(links []Link) linkPlaces {
	places := make(linkPlaces, len(links))
	for i, l := range links {
		place := canonicalPlace(l.Path)
		places[place] = append(places[place], i)
	}
	return places
}

// canonicalPlace resolves the folder that holds a link, never the link itself.
func canonicalPlace(link string) string {
	dir, err := realpath.Of(filepath.Dir(link))
	if err != nil {
		dir = filepath.Dir(link)
	}
	return filepath.Join(dir, filepath.Base(link))
}

// folderOf is the real folder that holds a link.
func folderOf(l Link) string { return filepath.Dir(canonicalPlace(l.Path)) }

// pending is a path component still to be walked. End is where it ends in the
// path that was asked for, or 0 if it came from a symlink's target.
type pending struct {
	name string
	end  int
}

// through walks path as the kernel would and reports the first of the links
// that the walk passes, and how the path spells it. The walk does not need what
// lies behind the link, so it tells the same before and after the link moves.
func (places linkPlaces) through(path string) (links []int, s spelling) {
	queue, consumed := components(path), 0
	at, follows := "/", 0
	for len(queue) > 0 {
		next := queue[0]
		queue = queue[1:]
		if next.end > 0 {
			consumed = next.end
		}
		if next.name == ".." {
			at = filepath.Dir(at)
			continue
		}
		here := filepath.Join(at, next.name)
		if found := places[here]; found != nil {
			return found, spelling{Prefix: path[:consumed], Sub: fromTargets(queue)}
		}
		target, err := os.Readlink(here)
		if err != nil {
			at = here
			continue
		}
		if follows++; follows > maxSymlinks {
			return nil, spelling{}
		}
		if filepath.IsAbs(target) {
			at = "/"
		}
		queue = append(targetComponents(target), queue...)
	}
	return nil, spelling{}
}

func components(path string) []pending {
	var out []pending
	for start := 0; start < len(path); {
		end := strings.IndexByte(path[start:], '/')
		if end < 0 {
			end = len(path)
		} else {
			end += start
		}
		if name := path[start:end]; name != "" && name != "." {
			out = append(out, pending{name: name, end: end})
		}
		start = end + 1
	}
	return out
}

func targetComponents(target string) []pending {
	parts := components(target)
	for i := range parts {
		parts[i].end = 0
	}
	return parts
}

// fromTargets joins the leading components that symlinks brought in: they lie
// between the link and what the path itself goes on to say.
func fromTargets(queue []pending) string {
	var sub []string
	for _, p := range queue {
		if p.end > 0 {
			break
		}
		sub = append(sub, p.name)
	}
	return strings.Join(sub, "/")
}

// spellings collects, link by link, every literal way that is known to lead to
// it. Folders are where to look for further names: whatever lies in such a
// folder and leads through a link spells it.
type spellings struct {
	places  linkPlaces
	byLink  [][]spelling
	homes   []string // the real folder of each link
	folders map[string]bool

	// proven are literal folders through which a link is known to be reached,
	// since a worker or a key was seen that spells it so, or the administrator
	// says it; known are the real folders of these links.
	proven map[string]bool
	known  map[string]bool
}

func newSpellings(links []Link, reachedAs []string) *spellings {
	s := &spellings{
		places: placesOf(links), byLink: make([][]spelling, len(links)),
		folders: map[string]bool{}, proven: map[string]bool{}, known: map[string]bool{},
	}
	for _, l := range links {
		s.homes = append(s.homes, folderOf(l))
	}
	for _, dir := range reachedAs {
		for _, i := range s.addFolder(strings.TrimRight(dir, "/")) {
			s.prove(i, dir+"/.")
		}
	}
	for i, l := range links {
		s.add([]int{i}, spelling{Prefix: l.Path})
		s.add([]int{i}, spelling{Prefix: canonicalPlace(l.Path)})
		s.addFolder(filepath.Dir(l.Path))
		s.addFolder(filepath.Dir(canonicalPlace(l.Path)))
	}
	return s
}

// learn takes a literal script path as FPM reports it. It tells whether that
// path leads through one of the links.
func (s *spellings) learn(script string) bool {
	script = strings.TrimSuffix(collapseRoot(script), "/")
	links, how := s.places.through(script)
	if links == nil {
		return false
	}
	s.add(links, how)
	s.prove(links[0], how.Prefix)
	// What spells one link in a folder spells its neighbours too.
	s.addFolder(filepath.Dir(how.Prefix))
	return true
}

// prove notes that a link is really reached as prefix.
func (s *spellings) prove(link int, prefix string) {
	s.proven[filepath.Dir(collapseRoot(prefix))] = true
	s.known[s.homes[link]] = true
}

// addFolder looks at every name in dir, once, and lists the links found.
func (s *spellings) addFolder(dir string) (found []int) {
	if dir == "" || s.folders[dir] {
		return nil
	}
	s.folders[dir] = true
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil // what cannot be listed spells nothing that could be asked for
	}
	for _, e := range entries {
		if e.Type().IsRegular() {
			continue
		}
		// Joined by hand: filepath.Join would clean a spelling that is only
		// right as it is.
		links, how := s.places.through(strings.TrimSuffix(dir, "/") + "/" + e.Name())
		s.add(links, how)
		found = append(found, links...)
	}
	return found
}

func (s *spellings) add(links []int, how spelling) {
	for _, i := range links {
		if !slices.Contains(s.byLink[i], how) {
			s.byLink[i] = append(s.byLink[i], how)
		}
	}
}

// learned lists the folders that are proven, to be remembered for next time.
func (s *spellings) learned() []string { return slices.Sorted(maps.Keys(s.proven)) }

// collapseRoot undoes the double slash that "fcgi://localhost/" in Apache's
// handler puts before every path.
func collapseRoot(path string) string {
	return "/" + strings.TrimLeft(path, "/")
}

// literalPrefixes gives both ways in which Apache sends a prefix: with
// "fcgi://localhost/" in the handler every SCRIPT_FILENAME begins with "//".
func literalPrefixes(prefix string) []string {
	plain := collapseRoot(prefix)
	return []string{plain, "/" + plain}
}
