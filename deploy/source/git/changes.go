package git

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"relink/deploy/source"
)

// Update checks out what base does not have: what differs between the two commits, and
// what somebody has changed since. Where base says nothing of a commit of this
// repository, where there are submodules, or where what attributes say differs, all is
// checked out.
func (r revision) Update(ctx context.Context, into string, base source.Base, progress source.Progress) (keeps func(string) bool, err error) {
	from, commit := base.Base()
	err = r.cache.use(ctx, func() error {
		keeps = func(string) bool { return false }
		if len(r.checkouts) != 1 || from != r.cache.name() || commit == "" || !r.cache.has(ctx, commit) {
			return r.checkOut(ctx, into, progress)
		}
		changed, err := r.cache.names(ctx, "diff-tree", "-r", "-z", "--no-renames", "--name-only", commit, r.checkouts[0].commit)
		if err != nil {
			return err
		}
		for name := range changed {
			if path.Base(name) == attributesFile {
				return r.checkOut(ctx, into, progress)
			}
		}
		all, err := r.cache.names(ctx, "ls-tree", "-r", "-z", "--full-tree", "--name-only", r.checkouts[0].commit)
		if err != nil {
			return err
		}
		filtered, err := r.cache.filters(ctx, r.checkouts[0].commit, all)
		if err != nil || filtered {
			return errors.Join(err, r.checkOut(ctx, into, progress))
		}
		keeps = func(name string) bool {
			_, held := base.Has(name)
			return held && all[name] && !changed[name]
		}
		return r.checkouts[0].some(ctx, into, all, keeps)
	})
	if err == nil {
		progress.Report(r.bytes, r.bytes)
		err = finishCheckout(ctx, into, r.time)
	}
	return keeps, err
}

// attributesFile is where a repository says how files are converted on their way out.
const attributesFile = ".gitattributes"

// filters tells whether attributes name a filter: what that makes of a file depends on
// more than the commit, such as whether Git LFS has been installed meanwhile.
func (c *repoCache) filters(ctx context.Context, commit string, all map[string]bool) (bool, error) {
	for name := range all {
		if path.Base(name) != attributesFile {
			continue
		}
		text, err := c.git(ctx, "cat-file", "blob", commit+":"+name)
		if err != nil {
			return false, c.damaged(err)
		}
		if strings.Contains(string(text), "filter=") {
			return true, nil
		}
	}
	return false, nil
}

// names lists what git lists.
func (c *repoCache) names(ctx context.Context, args ...string) (map[string]bool, error) {
	names := map[string]bool{}
	_, err := runGit(ctx, command{
		options: []string{"--git-dir=" + c.dir}, args: args, secrets: c.secrets,
		record: func(name string) error {
			names[name] = true
			return source.CheckSize(int64(len(names)), 0)
		},
	})
	if err != nil {
		return nil, c.damaged(err)
	}
	return names, nil
}

// some checks out those of all that are not kept. Attributes come first, and in any
// case: git takes them from the folder that it checks out into.
func (c checkout) some(ctx context.Context, into string, all map[string]bool, keeps func(string) bool) error {
	var attributes, others strings.Builder
	for name := range all {
		switch {
		case path.Base(name) == attributesFile:
			attributes.WriteString(name + "\x00")
		case !keeps(name):
			others.WriteString(name + "\x00")
		}
	}
	index, err := os.MkdirTemp(filepath.Dir(into), filepath.Base(into)+".index-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(index)
	run := func(input string, args ...string) error {
		_, err := runGit(ctx, command{
			options: []string{"--git-dir=" + c.cache.dir, "--work-tree=" + into, "-c", "remote.origin.url=" + c.cache.url},
			env:     []string{"GIT_INDEX_FILE=" + filepath.Join(index, "index")},
			args:    args, input: input, dir: into, secrets: c.cache.secrets,
		})
		if err != nil {
			err = c.cache.damaged(fmt.Errorf("check out %s: %w", c.commit[:shownCommit], err))
		}
		return err
	}
	if err := run("", "read-tree", c.commit); err != nil {
		return err
	}
	for _, names := range []string{attributes.String(), others.String()} {
		if err := run(names, "checkout-index", "-z", "--stdin", "--force"); err != nil {
			return err
		}
	}
	return nil
}
