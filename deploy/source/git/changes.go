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
		one := r.checkouts[0]
		filtered, err := one.filters(ctx)
		if err != nil || filtered {
			return errors.Join(err, r.checkOut(ctx, into, progress))
		}
		keeps = func(name string) bool {
			_, held := base.Has(name)
			_, there := one.files[name]
			return held && there && !changed[name]
		}
		return one.some(ctx, into, keeps)
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
// more than the commit, such as whether Git LFS has been installed meanwhile. One git reads
// them all: an application of many parts has many of them.
func (c checkout) filters(ctx context.Context) (bool, error) {
	var ids strings.Builder
	for name, is := range c.files {
		if path.Base(name) == attributesFile {
			_, id, _ := strings.Cut(is, " ")
			ids.WriteString(id + "\n")
		}
	}
	if ids.Len() == 0 {
		return false, nil
	}
	text, err := runGit(ctx, command{options: []string{"--git-dir=" + c.cache.dir}, args: []string{"cat-file", "--batch"}, input: ids.String(), secrets: c.cache.secrets})
	if err != nil {
		return false, c.cache.damaged(err)
	}
	return strings.Contains(string(text), "filter="), nil
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

// some checks out those that are not kept, from an index of just these. Attributes come
// first, and in any case: git takes them from the folder that it checks out into.
func (c checkout) some(ctx context.Context, into string, keeps func(string) bool) error {
	var attributes, others, entries strings.Builder
	for name, is := range c.files {
		switch {
		case path.Base(name) == attributesFile:
			attributes.WriteString(name + "\x00")
		case !keeps(name):
			others.WriteString(name + "\x00")
		default:
			continue
		}
		entries.WriteString(is + "\t" + name + "\x00")
	}
	index, err := os.MkdirTemp(filepath.Dir(into), filepath.Base(into)+".index-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(index)
	for _, step := range []struct{ input, args string }{
		{entries.String(), "update-index -z --index-info"},
		{attributes.String(), "checkout-index -z --stdin --force"},
		{others.String(), "checkout-index -z --stdin --force"},
	} {
		if step.input == "" {
			continue
		}
		_, err := runGit(ctx, command{
			options: []string{"--git-dir=" + c.cache.dir, "--work-tree=" + into, "-c", "remote.origin.url=" + c.cache.url},
			env:     []string{"GIT_INDEX_FILE=" + filepath.Join(index, "index")},
			args:    strings.Fields(step.args), input: step.input, dir: into, secrets: c.cache.secrets,
		})
		if err != nil {
			return c.cache.damaged(fmt.Errorf("check out %s: %w", c.commit[:shownCommit], err))
		}
	}
	return nil
}
