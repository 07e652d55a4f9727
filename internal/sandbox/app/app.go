// Package app provides an application to deploy: DokuWiki as Debian packages it, as
// a Git repository with the tags v1 and v2.
package app

import (
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"

	"relink/internal/sandbox"
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

// dataFolders are those that DokuWiki expects below its savedir (inc/init.php, init_paths).
var dataFolders = []string{"pages", "attic", "media", "media_attic", "media_meta", "meta", "cache", "index", "locks", "tmp", "log"}

// Prepare makes dataDir the data of an instance, which the sandbox's workers
// can write: pages, caches, indexes. An application without pages has no data.
func (a App) Prepare(dataDir string) error {
	if a.pages == "" {
		return nil
	}
	for _, name := range dataFolders {
		if err := os.MkdirAll(filepath.Join(dataDir, name), 0o755); err != nil {
			return fmt.Errorf("prepare the data of an instance: %w", err)
		}
	}
	if err := os.CopyFS(filepath.Join(dataDir, "pages"), os.DirFS(a.pages)); err != nil {
		return fmt.Errorf("prepare the data of an instance: %w", err)
	}
	uid, gid, err := sandbox.WorkerUser()
	if err != nil {
		return err
	}
	return filepath.WalkDir(dataDir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chown(path, uid, gid)
	})
}
