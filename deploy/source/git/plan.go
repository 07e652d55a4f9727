package git

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"relink/deploy/source"
	"relink/internal/hint"
	"relink/internal/ui"
)

// submoduleDir lies inside the cache and holds a cache for each submodule's address.
const submoduleDir = "relink-submodules"

// planner lists what must be checked out where, and counts it.
type planner struct {
	source    *Source
	resolved  *source.Resolved
	checkouts []checkout
}

// add plans a commit at the path below the staging folder, then its submodules.
func (p *planner) add(ctx context.Context, cache *repoCache, commit, at string) error {
	tree, err := cache.tree(ctx, commit)
	if err != nil {
		return err
	}
	p.checkouts = append(p.checkouts, checkout{cache: cache, commit: commit, at: at, bytes: tree.bytes, files: tree.files})
	p.resolved.Bytes += tree.bytes
	p.resolved.Inodes += tree.inodes
	if err := source.CheckSize(p.resolved.Inodes, p.resolved.Bytes); err != nil {
		return err
	}
	switch {
	case len(tree.submodules) == 0:
		return nil
	case !p.source.submodules:
		p.resolved.Notes = append(p.resolved.Notes, fmt.Sprintf("%d submodules are not fetched: submodules is off", len(tree.submodules)))
		return nil
	}
	return p.addSubmodules(ctx, cache, commit, at, tree.submodules)
}

func (p *planner) addSubmodules(ctx context.Context, cache *repoCache, commit, at string, links []submodule) error {
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
			return fmt.Errorf("submodule %s of %s: %w: its address is %q", name, cache.name(), source.ErrUnsafe, ui.Mask(address))
		}
		url := resolveURL(cache.url, address)
		if err := checkLocal(cache.url, url); err != nil {
			return fmt.Errorf("submodule %s of %s: %w", name, cache.name(), err)
		}
		sub := p.subCache(url)
		if err := sub.ensure(ctx, link.id); err != nil {
			return fmt.Errorf("submodule %s: %w", name, err)
		}
		if err := p.add(ctx, sub, link.id, name); err != nil {
			return fmt.Errorf("submodule %s: %w", name, err)
		}
	}
	return nil
}

func (p *planner) subCache(url string) *repoCache {
	sum := sha256.Sum256([]byte(url))
	return newRepoCache(url, filepath.Join(p.source.cacheDir, submoduleDir, hex.EncodeToString(sum[:])+".git"))
}

// submodule is a commit of another repository, and where it belongs.
type submodule struct{ id, path string }

type treeListing struct {
	bytes, inodes int64
	files         map[string]string // mode and id of each, as git update-index reads them
	names         int               // bytes of their names
	submodules    []submodule
}

// mostNames bounds the memory that the names of a release's files take: trees that list
// each other give few bytes long paths.
const mostNames = 128 << 20

// tree reads a commit's whole tree, and with it every size, so that a cache with
// an object missing is noticed before anything is staged.
func (c *repoCache) tree(ctx context.Context, commit string) (treeListing, error) {
	t := treeListing{files: map[string]string{}}
	_, err := runGit(ctx, command{
		options: []string{"--git-dir=" + c.dir},
		args:    []string{"ls-tree", "-r", "-t", "-l", "-z", "--full-tree", commit},
		secrets: c.secrets, record: t.parse,
	})
	if errors.Is(err, source.ErrTooLarge) { // trees that list each other: 10^9 files in 200 KB
		return t, fmt.Errorf("%s at %s: %w", c.name(), commit[:shownCommit], err)
	}
	if err != nil {
		return t, c.damaged(err)
	}
	return t, nil
}

// parse takes "mode type id size<TAB>path".
func (t *treeListing) parse(line string) error {
	head, name, _ := strings.Cut(line, "\t")
	fields := strings.Fields(head)
	if len(fields) != 4 || name == "" {
		return fmt.Errorf("git ls-tree wrote %q", line)
	}
	t.inodes++
	if t.names += len(name); t.names > mostNames {
		return fmt.Errorf("%w of %d bytes of names", source.ErrTooLarge, mostNames)
	}
	switch fields[1] {
	case "commit":
		t.submodules = append(t.submodules, submodule{id: fields[2], path: name})
	case "blob":
		size, err := strconv.ParseInt(fields[3], 10, 64)
		if err != nil {
			return fmt.Errorf("git ls-tree wrote %q: %w", line, err)
		}
		t.bytes += size
		t.files[name] = fields[0] + " " + fields[2]
	}
	return source.CheckSize(t.inodes, t.bytes)
}
