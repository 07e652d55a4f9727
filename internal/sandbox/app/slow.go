package app

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"relink/internal/sandbox/load"
)

// SlowFor is how long the slow page sleeps where AskSlowly asks for it.
const SlowFor = 5 * time.Second

const slowGrace = 30 * time.Second // for its answer, over that

// AskSlowly asks a site for the slow page, and tells which release made it: one.
func (a App) AskSlowly(ctx context.Context, url, host string) (release string, err error) {
	ctx, cancel := context.WithTimeout(ctx, SlowFor+slowGrace)
	defer cancel()
	body, header, err := load.Fetch(ctx, fmt.Sprintf("%s%s?s=%.0f", url, a.Slow, SlowFor.Seconds()), host)
	if err != nil {
		return "", err
	}
	if release = a.Release(body, header); release == "" || release == Mixed {
		err = fmt.Errorf("its page is of release %q", cmp.Or(release, "unknown"))
	}
	return release, err
}
