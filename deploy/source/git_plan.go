package source

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"relink/internal/hint"
)

// submoduleDir lies inside the cache and holds a cache for each submodule's address.
const submoduleDir = "relink-submodules"

// gitPlanner lists what must be checked out where, and how large it is.
type gitPlanner struct {
	git       *Git
	lfs       func() bool
	checkouts []checkout
	bytes     int64
	inodes    int64
	notes     []string
}

// add plans a commit at the path below the staging folder, then its submodules.
func (p *gitPlanner) add(ctx context.Context, cache *gitCache, commit, at string) error {
	tree, err := cache.tree(ctx, commit)
	if err != nil {
		return err
	}
	if err := p.checkLFS(ctx, cache, tree); err != nil {
		return err
	}
	p.checkouts = append(p.checkouts, checkout{cache: cache, commit: commit, at: at, bytes: tree.bytes})
	p.bytes += tree.bytes
	p.inodes += tree.inodes
	if len(tree.submodules) == 0 {
		return nil
	}
	if !p.git.submodules {
		p.notes = append(p.notes, fmt.Sprintf("%d submodules are not fetched: submodules is off", len(tree.submodules)))
		return nil
	}
	return p.addSubmodules(ctx, cache, commit, at, tree.submodules)
}

func (p *gitPlanner) addSubmodules(ctx context.Context, cache *gitCache, commit, at string, links []gitEntry) error {
	urls, err := cache.submoduleURLs(ctx, commit)
	if err != nil {
		return err
	}
	for _, link := range links {
		name := path.Join(at, link.path)
		address, ok := urls[link.path]
		if !ok {
			return hint.With(fmt.Errorf("submodule %s of %s: .gitmodules has no address for it", name, cache.name()), "add it to .gitmodules, or remove it with git rm")
		}
		if strings.HasPrefix(address, "-") {
			return fmt.Errorf("submodule %s of %s: %w: its address is %q", name, cache.name(), ErrUnsafe, mask(address))
		}
		sub := p.subCache(resolveURL(cache.url, address))
		if err := sub.prepare(ctx, link.id); err != nil {
			return fmt.Errorf("submodule %s: %w", name, err)
		}
		if err := p.add(ctx, sub, link.id, name); err != nil {
			return fmt.Errorf("submodule %s: %w", name, err)
		}
	}
	return nil
}

func (p *gitPlanner) subCache(url string) *gitCache {
	sum := sha256.Sum256([]byte(url))
	dir := filepath.Join(p.git.cacheDir, submoduleDir, hex.EncodeToString(sum[:])+".git")
	return newGitCache(url, dir, p.git.Receive)
}

// prepare is ensure for a submodule, whose folder of caches may be missing. The
// lock of the cache around it covers it.
func (c *gitCache) prepare(ctx context.Context, commit string) error {
	if err := makeParent(c.dir); err != nil {
		return err
	}
	return c.ensure(ctx, commit)
}

// gitEntry is one line of "git ls-tree".
type gitEntry struct{ mode, id, path string }

type gitTree struct {
	bytes, inodes int64
	attributes    []gitEntry // .gitattributes files
	submodules    []gitEntry
}

// tree reads a commit's whole tree, and with it every size, so that a cache with
// an object missing is noticed before anything is staged.
func (c *gitCache) tree(ctx context.Context, commit string) (gitTree, error) {
	out, err := c.git(ctx, "ls-tree", "-r", "-t", "-l", "-z", "--full-tree", commit)
	if err != nil {
		return gitTree{}, c.damaged(err)
	}
	var t gitTree
	for _, line := range bytes.Split(bytes.TrimSuffix(out, []byte{0}), []byte{0}) {
		if len(line) == 0 {
			continue // an empty tree
		}
		if err := t.parse(string(line)); err != nil {
			return gitTree{}, c.damaged(err)
		}
	}
	return t, nil
}

// parse takes "mode type id size<TAB>path".
func (t *gitTree) parse(line string) error {
	head, name, _ := strings.Cut(line, "\t")
	fields := strings.Fields(head)
	if len(fields) != 4 || name == "" {
		return fmt.Errorf("git ls-tree wrote %q", line)
	}
	entry := gitEntry{mode: fields[0], id: fields[2], path: name}
	t.inodes++
	switch fields[1] {
	case "commit":
		t.submodules = append(t.submodules, entry)
	case "blob":
		size, err := strconv.ParseInt(fields[3], 10, 64)
		if err != nil {
			return fmt.Errorf("git ls-tree wrote %q: %w", line, err)
		}
		t.bytes += size
		if path.Base(name) == ".gitattributes" {
			t.attributes = append(t.attributes, entry)
		}
	}
	return nil
}

// submoduleURLs reads .gitmodules at the commit. Only paths and addresses are
// looked at: "update" may name a command.
func (c *gitCache) submoduleURLs(ctx context.Context, commit string) (map[string]string, error) {
	out, err := c.git(ctx, "config", "--blob", commit+":.gitmodules", "--null", "--list")
	if err != nil {
		return nil, hint.With(fmt.Errorf("%s at %s: read .gitmodules: %w", c.name(), commit[:shownCommit], err), "add the file .gitmodules, or remove the submodules with git rm")
	}
	paths, addresses := map[string]string{}, map[string]string{}
	for _, item := range strings.Split(string(out), "\x00") {
		key, value, _ := strings.Cut(item, "\n")
		key, ok := strings.CutPrefix(key, "submodule.")
		if dot := strings.LastIndexByte(key, '.'); ok && dot >= 0 {
			switch name := key[:dot]; key[dot+1:] {
			case "path":
				paths[name] = strings.TrimSuffix(value, "/")
			case "url":
				addresses[name] = value
			}
		}
	}
	byPath := map[string]string{}
	for name, at := range paths {
		if address, ok := addresses[name]; ok {
			byPath[at] = address
		}
	}
	return byPath, nil
}

var lfsAttribute = regexp.MustCompile(`(?m)^[^#\n]*\sfilter=lfs(\s|$)`)

func lfsInstalled() bool {
	_, err := exec.LookPath("git-lfs")
	return err == nil
}

// checkLFS: without git-lfs a checkout succeeds and delivers pointers, little
// text files in the place of images.
func (p *gitPlanner) checkLFS(ctx context.Context, cache *gitCache, tree gitTree) error {
	for _, entry := range tree.attributes {
		text, err := cache.git(ctx, "cat-file", "blob", entry.id)
		if err != nil {
			return cache.damaged(err)
		}
		if lfsAttribute.Match(text) && !p.lfs() {
			return hint.With(fmt.Errorf("%s: %s: %w: it has filter=lfs and git-lfs is not installed", cache.name(), entry.path, ErrLFS),
				"install git-lfs, and run git lfs install as the user that runs relink")
		}
	}
	return nil
}
