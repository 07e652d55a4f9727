// Package app provides applications to deploy: DokuWiki as Debian packages it,
// and a synthetic one, each a Git repository with the tags v1 and v2.
package app

import (
	"net/http"
	"regexp"
)

// App is a PHP application with two releases that tell themselves apart.
type App struct {
	Repository string   // bare Git repository with the tags v1 and v2
	DocRoot    string   // the document root inside a release
	Paths      []string // pages to load, each marked with its release
	Slow       string   // path of a page that sleeps ?s= seconds and then includes a file of its release
	Cheap      string   // path of a page that only says its release

	pages string // folder of the pages that Prepare copies into an instance's data
}

// Mixed is the release of a page that was put together from two.
const Mixed = "mixed"

// ReleaseHeader is the header in which the entry script says its release.
const ReleaseHeader = "X-App-Release"

// mark is what included files print of their own release.
var mark = regexp.MustCompile(`<!-- template (\w+) -->|\A(?:release (\w+))(?: part (\w+))?\z`)

// Release says which release made an answer: the tag, Mixed if entry script and
// included files are of different releases, and "" if the page is incomplete or
// not the application's.
func (a App) Release(body []byte, header http.Header) string {
	entry := header.Get(ReleaseHeader)
	found := mark.FindSubmatch(body)
	if entry == "" || found == nil {
		return ""
	}
	for _, part := range found[1:] {
		if len(part) > 0 && string(part) != entry {
			return Mixed
		}
	}
	return entry
}

// Env is the environment of the virtual host of an instance whose data Prepare
// put into dataDir.
func (a App) Env(dataDir, title string) map[string]string {
	return map[string]string{"WIKI_DATA": dataDir, "WIKI_TITLE": title}
}
