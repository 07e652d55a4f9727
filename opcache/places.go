package opcache

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"relink/internal/realpath"
)

// standing is where a link leads at this moment.
type standing struct {
	Site
	place string // where the link really lies
	real  string // real folder that it leads to; "" where there is no link, or nothing behind it
}

// within tells whether the link leads to the folder, or to one inside it.
func (s standing) within(folder string) bool { return isWithin(s.real, folder) }

func isWithin(path, folder string) bool {
	return path == folder || strings.HasPrefix(path, strings.TrimSuffix(folder, "/")+"/")
}

func stand(site Site) standing {
	s := standing{Site: site, place: canonicalPlace(site.Path)}
	if info, err := os.Lstat(s.place); err != nil || info.Mode()&os.ModeSymlink == 0 {
		return s
	}
	if real, err := realpath.Of(s.place); err == nil {
		s.real = real
	}
	return s
}

// standings looks at the sites, and at the links that lie beside them and in
// further folders: whatever is named in no configuration keeps a release in use
// all the same.
func standings(sites []Site, further ...string) []standing {
	var all []standing
	seen := map[string]bool{}
	add := func(site Site) {
		if s := stand(site); !seen[s.place] {
			seen[s.place] = true
			all = append(all, s)
		}
	}
	folders := slices.Clone(further)
	for _, site := range sites {
		add(site)
		folders = append(folders, filepath.Dir(canonicalPlace(site.Path)))
	}
	slices.Sort(folders)
	for _, folder := range slices.Compact(folders) {
		for _, link := range linksIn(folder) {
			add(Site{Name: link, Path: link})
		}
	}
	return all
}

// linksIn lists the links in a folder; none where it cannot be read.
func linksIn(folder string) []string {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil
	}
	var links []string
	for _, entry := range entries {
		if entry.Type()&os.ModeSymlink != 0 {
			links = append(links, filepath.Join(folder, entry.Name()))
		}
	}
	return links
}

// around are the folders where other tools keep the links to a release: beside
// it, and beside the folder of the releases (Deployer's and Capistrano's current).
func around(release string) []string {
	return []string{filepath.Dir(release), filepath.Dir(filepath.Dir(release))}
}

// realFolder is a path without symbolic links, also where its end is gone.
func realFolder(path string) string {
	path, rest := filepath.Clean(path), ""
	for dir := path; ; dir = filepath.Dir(dir) {
		if real, err := realpath.Of(dir); err == nil {
			return filepath.Join(real, rest)
		}
		if dir == filepath.Dir(dir) {
			return path
		}
		rest = filepath.Join(filepath.Base(dir), rest)
	}
}

// mostUsed is the child of releases that most links lead into, or "".
func mostUsed(releases string, all []standing) string {
	count, best := map[string]int{}, ""
	for _, s := range all {
		id, below := strings.CutPrefix(s.real, releases+"/")
		if !below {
			continue
		}
		id, _, _ = strings.Cut(id, "/")
		folder := filepath.Join(releases, id)
		if count[folder]++; count[folder] > count[best] || count[folder] == count[best] && folder > best {
			best = folder
		}
	}
	return best
}

// unusedIn lists the children of releases that no link leads into.
func unusedIn(releases string, all []standing) []string {
	entries, err := os.ReadDir(releases)
	if err != nil {
		return nil
	}
	var unused []string
	for _, entry := range entries {
		folder := filepath.Join(releases, entry.Name())
		if entry.IsDir() && !slices.ContainsFunc(all, func(s standing) bool { return s.within(folder) }) {
			unused = append(unused, folder)
		}
	}
	return unused
}

func names(all []standing) []string {
	out := make([]string, len(all))
	for i, s := range all {
		out[i] = s.Name
	}
	return out
}

// canonicalPlace resolves the folder that holds a link, never the link itself.
func canonicalPlace(link string) string {
	dir, err := realpath.Of(filepath.Dir(link))
	if err != nil {
		dir = filepath.Dir(link)
	}
	return filepath.Join(dir, filepath.Base(link))
}
