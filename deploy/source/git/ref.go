package git

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"relink/deploy/source"
	"relink/internal/hint"
)

const (
	shortestCommit = 4  // characters; git takes no fewer
	shownCommit    = 12 // characters of a commit id in labels and messages
)

// refPrefix is what may be written before the name of a tag or branch.
var refPrefix = regexp.MustCompile(`^(?:refs/)?(?:tags|heads)/`)

// isID tells whether a text may be the id of a commit, or the beginning of one.
func isID(text string) bool {
	other := func(r rune) bool { return !strings.ContainsRune("0123456789abcdefABCDEF", r) }
	return len(text) >= shortestCommit && len(text) <= 64 && !strings.ContainsFunc(text, other)
}

// isWholeID tells whether it is one of SHA-1 or SHA-256, as git writes it.
func isWholeID(text string) bool {
	return isID(text) && (len(text) == 40 || len(text) == 64) && text == strings.ToLower(text)
}

// foundRef is what a name turned out to be.
type foundRef struct {
	commit string // full id
	kind   string // tag, branch or commit
	note   string
}

// lookUp finds ref in the cache as it is. A tag wins over a branch of the same
// name, as in "git rev-parse"; both win over an abbreviated commit.
func (c *repoCache) lookUp(ctx context.Context, ref string) (foundRef, error) {
	tag, err := c.commitOf(ctx, "refs/tags/", ref)
	if err != nil {
		return foundRef{}, err
	}
	branch, err := c.commitOf(ctx, "refs/heads/", ref)
	if err != nil {
		return foundRef{}, err
	}
	switch {
	case tag != "" && branch != "" && tag != branch:
		return foundRef{tag, "tag", fmt.Sprintf("%s is a tag and a branch; the tag is taken, heads/%s is the branch", ref, ref)}, nil
	case tag != "":
		return foundRef{commit: tag, kind: "tag"}, nil
	case branch != "":
		return foundRef{commit: branch, kind: "branch"}, nil
	}
	if isID(ref) {
		return c.abbreviated(ctx, ref)
	}
	return foundRef{}, c.unknown(ctx, ref)
}

// commitOf gives the commit of a ref below prefix, whose own name may be written
// in full, or from "tags/" or "heads/" on; empty when there is none.
func (c *repoCache) commitOf(ctx context.Context, prefix, ref string) (string, error) {
	names := []string{prefix + ref}
	if rest, ok := strings.CutPrefix("refs/"+strings.TrimPrefix(ref, "refs/"), prefix); ok {
		names = append(names, prefix+rest)
	}
	for _, name := range names {
		if _, err := c.git(ctx, "show-ref", "--verify", "--quiet", name); err == nil {
			return c.peel(ctx, name)
		}
	}
	return "", ctx.Err()
}

// peel follows an existing ref to its commit.
func (c *repoCache) peel(ctx context.Context, name string) (string, error) {
	out, err := c.git(ctx, "rev-parse", "--verify", "--quiet", name+"^{commit}")
	if err == nil {
		return strings.TrimSpace(string(out)), nil
	}
	if err := c.check(ctx, "cat-file", "-e", name+"^{}"); err != nil {
		return "", err
	}
	return "", hint.With(fmt.Errorf("ref %s in %s: %w: it does not name a commit", name, c.name(), source.ErrUnknownRef), "give a tag of a commit")
}

func (c *repoCache) abbreviated(ctx context.Context, ref string) (foundRef, error) {
	out, _ := c.git(ctx, "rev-parse", "--disambiguate="+strings.ToLower(ref)) // fails where there is none
	commits, err := c.commitsAmong(ctx, string(out))
	if err != nil {
		return foundRef{}, err
	}
	switch len(commits) {
	case 0:
		return foundRef{}, c.unknown(ctx, ref)
	case 1:
		return foundRef{commit: commits[0], kind: "commit"}, nil
	}
	shown := strings.Join(commits[:min(len(commits), source.MostSuggestions)], " or ")
	return foundRef{}, hint.With(fmt.Errorf("ref %s in %s: %w: it may be %s", ref, c.name(), source.ErrAmbiguous, shown),
		"give more characters of the commit id")
}

// commitsAmong are the commits among objects, a line each. One git looks at all: a
// repository can be made so that thousands begin with the same four characters.
func (c *repoCache) commitsAmong(ctx context.Context, objects string) (commits []string, err error) {
	out, err := runGit(ctx, command{options: []string{"--git-dir=" + c.dir}, args: []string{"cat-file", "--batch-check=%(objectname) %(objecttype)"}, input: objects, secrets: c.secrets})
	if err != nil {
		return nil, c.damaged(err)
	}
	for line := range strings.Lines(string(out)) {
		if id, kind, _ := strings.Cut(strings.TrimSpace(line), " "); kind == "commit" {
			commits = append(commits, id)
		}
	}
	return commits, nil
}

func (c *repoCache) unknown(ctx context.Context, ref string) error {
	err := fmt.Errorf("ref %s in %s: %w", ref, c.name(), source.ErrUnknownRef)
	out, listErr := c.git(ctx, "for-each-ref", "--sort=-creatordate", "--format=%(refname:lstrip=2)", "refs/tags", "refs/heads")
	names := slices.Compact(strings.Fields(string(out))) // newest first
	switch {
	case listErr != nil:
		return fmt.Errorf("%w: %w", err, listErr)
	case len(names) == 0:
		return hint.With(err, "push a branch or a tag first: the repository has none")
	}
	newest := strings.Join(names[:min(len(names), source.MostSuggestions)], ", ")
	return hint.DidYouMean(err, ref, names, source.MostSuggestions, "give a tag, a branch or a commit; the newest are "+newest)
}

// label is for the release's id: a commit by its beginning, others by name.
func (f foundRef) label(ref string) string {
	if f.kind == "commit" {
		return f.commit[:shownCommit]
	}
	return refPrefix.ReplaceAllString(ref, "")
}
