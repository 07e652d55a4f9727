// Package app provides applications to deploy, as Git repositories: DokuWiki as Debian
// packages it, with the tags v1 and v2; MediaWiki, and a generated one, of which any
// number of releases can be made.
package app

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"relink/internal/hint"
	"relink/internal/proc"
	"relink/internal/sandbox"

	"github.com/gofrs/flock"
)

// App is a PHP application with two releases that tell themselves apart.
type App struct {
	Repository string   // bare Git repository with the tags v1 and v2
	DocRoot    string   // the document root inside a release
	Paths      []string // pages to load, each marked with its release
	Slow       string   // path of a page that sleeps ?s= seconds and then includes a file of its release
	Cheap      string   // path of a page that only says its release

	pages string // DokuWiki's, a folder that Prepare copies into an instance's data
	data  string // MediaWiki's, which Prepare copies as a whole
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
// can write: pages, caches, indexes. Not every application has some.
func (a App) Prepare(dataDir string) error {
	if a.pages == "" && a.data == "" {
		return nil
	}
	if err := a.copyData(dataDir); err != nil {
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

func (a App) copyData(dataDir string) error {
	if a.data != "" {
		return os.CopyFS(dataDir, os.DirFS(a.data))
	}
	for _, name := range dataFolders {
		if err := os.MkdirAll(filepath.Join(dataDir, name), 0o755); err != nil {
			return err
		}
	}
	return os.CopyFS(filepath.Join(dataDir, "pages"), os.DirFS(a.pages))
}

//go:embed dokuwiki.sh
var dokuwiki string

// overlay holds what is added to the application: v1 for both releases, v2 over
// it for the second, pages for the data of an instance.
//
//go:embed overlay
var overlay embed.FS

// layoutVersion changes whenever this package builds something else of the same
// packages and the same overlay.
const layoutVersion = "1"

const lockPoll = 100 * time.Millisecond

// Fetch provides DokuWiki, downloaded with apt and kept in the folder cache: a
// later call with the same cache only looks. Processes may call it at the same time.
func Fetch(ctx context.Context, cache string) (App, error) {
	key, err := cacheKey()
	if err != nil {
		return App{}, err
	}
	dir, err := kept(ctx, cache, "dokuwiki-"+key, buildDokuWiki)
	if err != nil {
		return App{}, err
	}
	return App{
		Repository: filepath.Join(dir, "dokuwiki.git"),
		DocRoot:    "public",
		Paths:      []string{"/doku.php?id=start", "/doku.php?id=wiki:syntax", "/doku.php?id=wiki:welcome", "/doku.php?id=start&do=index"},
		Slow:       "/slow.php",
		Cheap:      "/release.php",
		pages:      filepath.Join(dir, "pages"),
	}, nil
}

// kept gives a folder of the cache, "" for relink in the user's folder for caches, and has
// it built first if it is not there: in one step, so that a broken build is never taken for
// a good one.
func kept(ctx context.Context, cache, name string, build func(ctx context.Context, temp string) error) (dir string, err error) {
	if cache == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return "", hint.With(err, "name a folder by --cache")
		}
		cache = filepath.Join(user, "relink")
	}
	if cache, err = filepath.Abs(cache); err != nil {
		return "", err
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	lock := flock.New(filepath.Join(cache, "lock"))
	if _, err := lock.TryLockContext(ctx, lockPoll); err != nil {
		return "", fmt.Errorf("lock %s: %w", cache, err)
	}
	defer lock.Close()
	dir = filepath.Join(cache, name)
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return dir, err
	}
	temp, err := os.MkdirTemp(cache, "build-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(temp)
	if err := build(ctx, temp); err != nil {
		return "", fmt.Errorf("build %s: %w", dir, err)
	}
	return dir, os.Rename(filepath.Join(temp, "done"), dir)
}

// buildDokuWiki makes temp/done.
func buildDokuWiki(ctx context.Context, temp string) error {
	if err := os.CopyFS(temp, overlay); err != nil {
		return err
	}
	if err := script(ctx, dokuwiki, temp); err != nil {
		return err
	}
	return Commit(ctx, temp, filepath.Join(temp, "done", "dokuwiki.git"))
}

func script(ctx context.Context, text, dir string) error {
	printed, err := proc.Output(ctx, []string{"sh", "-c", text, "sh", dir})
	if err != nil {
		return hint.With(fmt.Errorf("%w: %s", err, printed), `run "apt-get update" as root and try again`)
	}
	return nil
}

func cacheKey() (string, error) {
	hash := sha256.New()
	hash.Write([]byte(layoutVersion))
	err := fs.WalkDir(overlay, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := overlay.ReadFile(path)
		fmt.Fprintf(hash, "%s %d\n%s", path, len(data), data)
		return err
	})
	return hex.EncodeToString(hash.Sum(nil))[:12], err
}

// Tags are those of the two releases.
var Tags = []string{"v1", "v2"}

// Commit makes a bare Git repository in dir: each release, a folder of trees
// that is named like its tag, is a commit on main.
func Commit(ctx context.Context, trees, dir string) error {
	if err := git(ctx, "init", "--quiet", "--bare", "--initial-branch=main", dir); err != nil {
		return err
	}
	for _, tag := range Tags {
		tree := filepath.Join(trees, tag)
		for _, args := range [][]string{{"add", "--all", "--force", "."}, {"commit", "--quiet", "--message", "Release " + tag}, {"tag", tag}} {
			if err := git(ctx, slices.Concat([]string{"-C", tree, "--git-dir", dir, "--work-tree", tree}, args)...); err != nil {
				return err
			}
		}
	}
	return nil
}

func git(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, "git", args...)
	// The caller's configuration (signing, hooks, line ends) must not get into
	// it, and fixed dates give the same commits on every machine.
	cmd.Env = append(os.Environ(),
		"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=relink", "GIT_AUTHOR_EMAIL=relink@localhost", "GIT_AUTHOR_DATE=2024-01-01T00:00:00Z",
		"GIT_COMMITTER_NAME=relink", "GIT_COMMITTER_EMAIL=relink@localhost", "GIT_COMMITTER_DATE=2024-01-01T00:00:00Z")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return hint.With(fmt.Errorf("git %s: %w: %s", args[len(args)-1], err, out), "install git if it is missing")
	}
	return nil
}
