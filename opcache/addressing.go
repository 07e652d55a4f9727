package opcache

import (
	"context"
	"slices"
)

// Addressing is how the web server names scripts to PHP, which decides what a
// cut-over has to do. They are ordered: what holds for a later one is enough for
// every earlier one.
type Addressing string

const (
	// Resolved: by real paths. Nothing in PHP leads through a link, so that the
	// cut-over is the rename of a link or of Apache's map.
	Resolved Addressing = "resolved"
	// Revalidated: through the links, with opcache.revalidate_path=1. Literal keys
	// are not looked at; the sweep of the realpath caches is the cut-over.
	Revalidated Addressing = "revalidated"
	// Keyed: through the links, with PHP's defaults. OPcache keeps the literal paths
	// as keys, which cannot be listed: a path that a link has left must die as a
	// whole, and nobody may stay on it.
	Keyed Addressing = "keyed"
)

// Weaker is the one of two that demands more of a cut-over. "" is not known yet.
func (a Addressing) Weaker(b Addressing) Addressing {
	rank := map[Addressing]int{Resolved: 1, Revalidated: 2, Keyed: 3}
	if rank[b] > rank[a] {
		return b
	}
	return a
}

// Reuses tells whether a path that a link has left may serve again.
func (a Addressing) Reuses() bool { return a == Resolved || a == Revalidated }

// Addressing is what the pools' settings tell of how scripts are named to them:
// Revalidated or Keyed. That it is Resolved only the web server can prove.
func (c *Caches) Addressing(ctx context.Context) (Addressing, error) {
	ctx, cancel := context.WithTimeout(ctx, c.Options.CallTimeout)
	defer cancel()
	keyed, err := Each(ctx, c.pools(), func(ctx context.Context, p *Pool) (bool, error) {
		configuration, err := p.Agent.Configuration(ctx)
		return err == nil && !configuration.RevalidatePath, err
	})
	if slices.Contains(keyed, true) {
		return Keyed, err
	}
	return Revalidated, err
}
