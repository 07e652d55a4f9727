package git

import (
	"context"
	"strings"
)

// Tags are the names of the tags that the repository at url has now. What git lists may
// take 16 MiB; only ctx bounds the time.
func Tags(ctx context.Context, url string) (names []string, err error) {
	listed, err := runGit(ctx, command{args: []string{"ls-remote", "--tags", "--refs", "--", url}, secrets: secrets(url)})
	for line := range strings.Lines(string(listed)) {
		if _, name, found := strings.Cut(strings.TrimSpace(line), "refs/tags/"); found {
			names = append(names, name)
		}
	}
	return names, err
}
