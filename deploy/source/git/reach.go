package git

import "context"

// Reach asks the repository for its branches and tags, and fetches nothing. What it answers
// may take 16 MiB; only ctx bounds the time.
func (g *Source) Reach(ctx context.Context) error {
	cache := newRepoCache(g.url, g.cacheDir)
	_, err := runGit(ctx, command{args: []string{"ls-remote", "--quiet", "--", g.url}, secrets: cache.secrets})
	if err == nil || ctx.Err() != nil {
		return err
	}
	return cache.unreachable(err)
}
