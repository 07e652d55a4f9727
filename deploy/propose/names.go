package propose

import (
	"cmp"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// docroots are usual names of the folder inside an application that is served.
var docroots = []string{"public", "web", "htdocs", "www", "html", "pub", "public_html", "webroot", "docroot"}

func isDocroot(path string) bool { return slices.Contains(docroots, filepath.Base(path)) }

// current is the usual name of a link to a release that lies beside it.
const current = "current"

// releaseOf takes what a link leads to apart: the release, and the folder in it.
func releaseOf(target string) (release, inner string) {
	if isDocroot(target) {
		return filepath.Dir(target), filepath.Base(target)
	}
	return target, "."
}

// releaseID is how relink and others name a release: by its time.
var releaseID = regexp.MustCompile(`^\d{8}T?\d{4,6}`)

// isRelease tells a release by its name, or by that of the folder around it.
func isRelease(folder string) bool {
	around := filepath.Dir(folder)
	return releaseID.MatchString(filepath.Base(folder)) ||
		filepath.Base(around) == "releases" || filepath.Base(filepath.Dir(around)) == "releases"
}

// newLink divides a document root that does not exist, of which missing is the
// part that is not there: the link that a deploy would make, and what is behind.
func newLink(root, missing string) (link, docroot string) {
	names := strings.Split(missing, "/")
	above := strings.TrimSuffix(strings.TrimSuffix(root, missing), "/")
	cut := len(names)
	if at := slices.Index(names, current); at >= 0 {
		cut = at + 1
	} else if cut > 1 && isDocroot(root) {
		cut--
	}
	return above + "/" + strings.Join(names[:cut], "/"), filepath.Clean(strings.Join(names[cut:], "/"))
}

// instanceName is the last name in a link's path that tells anything.
func instanceName(link string) string {
	name := filepath.Base(link)
	if up := filepath.Dir(link); (name == current || isDocroot(link)) && !isDocroot(up) && filepath.Dir(up) != "/" {
		name = filepath.Base(up)
	}
	return clean(name)
}

func appName(releases string) string {
	if filepath.Base(releases) == "releases" {
		releases = filepath.Dir(releases)
	}
	return clean(filepath.Base(releases))
}

var unfit = regexp.MustCompile(`[^\p{L}\p{M}\p{Nd}._-]+`)

// clean makes a name that a configuration may have.
func clean(name string) string {
	name = strings.TrimLeft(unfit.ReplaceAllString(name, "-"), "-.")
	return cmp.Or(strings.ToValidUTF8(name[:min(len(name), 100)], ""), "site")
}

// writable tells whether a configuration can hold a path.
func writable(path string) bool {
	return utf8.ValidString(path) && strings.IndexFunc(path, unicode.IsControl) < 0
}

// unique adds a number to a name that is taken, in whatever case.
func unique(name string, taken func(string) bool) string {
	for n, base := 2, name; taken(name); n++ {
		name = fmt.Sprintf("%s-%d", base, n)
	}
	return name
}
