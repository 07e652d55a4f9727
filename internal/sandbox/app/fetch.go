package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/gofrs/flock"
)

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
	if cache, err = filepath.Abs(cache); err != nil {
		return App{}, err
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return App{}, err
	}
	lock := flock.New(filepath.Join(cache, "lock"))
	if _, err := lock.TryLockContext(ctx, lockPoll); err != nil {
		return App{}, fmt.Errorf("lock %s: %w", cache, err)
	}
	defer lock.Close()
	dir := filepath.Join(cache, "dokuwiki-"+key)
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		if err := build(ctx, cache, dir); err != nil {
			return App{}, fmt.Errorf("build DokuWiki in %s: %w", cache, err)
		}
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

// build makes dir in one step, so that a broken build is never taken for a good one.
func build(ctx context.Context, cache, dir string) error {
	temp, err := os.MkdirTemp(cache, "build-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	root, tree, done := filepath.Join(temp, "root"), filepath.Join(temp, "tree"), filepath.Join(temp, "done")
	if err := errors.Join(os.Mkdir(root, 0o755), os.Mkdir(tree, 0o755), os.Mkdir(done, 0o755)); err != nil {
		return err
	}
	if err := unpackDebian(ctx, root); err != nil {
		return err
	}
	if err := buildTree(root, tree); err != nil {
		return err
	}
	if err := commitReleases(ctx, tree, filepath.Join(done, "dokuwiki.git")); err != nil {
		return err
	}
	if err := buildPages(root, filepath.Join(done, "pages")); err != nil {
		return err
	}
	return os.Rename(done, dir)
}

func commitReleases(ctx context.Context, tree, dir string) error {
	repo, err := newRepository(ctx, dir)
	if err != nil {
		return err
	}
	for _, tag := range []string{"v1", "v2"} {
		if err := markRelease(tree, tag); err != nil {
			return err
		}
		if err := repo.commit(ctx, tree, tag); err != nil {
			return err
		}
	}
	return nil
}

func buildPages(root, pages string) error {
	if err := copyTree(root, filepath.Join(root, "var/lib/dokuwiki/data/pages"), pages); err != nil {
		return err
	}
	start, err := overlay.ReadFile("overlay/pages/start.txt")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(pages, "start.txt"), start, 0o644); err != nil {
		return err
	}
	return withoutFeeds(filepath.Join(pages, "wiki/syntax.txt"))
}

// feed is an embedded RSS feed; rendering it calls a server in the internet.
var feed = regexp.MustCompile(`(?m)^\{\{rss>.*$`)

func withoutFeeds(page string) error {
	data, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	return os.WriteFile(page, feed.ReplaceAll(data, nil), 0o644)
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
