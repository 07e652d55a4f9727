package php

import (
	"context"
	"fmt"
	"slices"
)

// AliasQuery asks which scripts of a release OPcache serves through links. An
// alias is a literal path through a link that OPcache keeps as a key of its own;
// it leads to the release it was made for until that script is invalidated, no
// matter where the link points.
//
// OPcache tells only that a key exists, not which script it leads to: once a link
// has moved, a key that already leads to the new release is found as well. The
// release's own script is therefore asked for first. A script that is not live at
// Root is never reported. One that is live and whose key leads elsewhere is
// reported; to invalidate it is harmless, it is compiled again when needed.
type AliasQuery struct {
	Root    string   // the real folder that the links pointed at
	Links   []string // literal spellings of links to it
	Scripts []string // relative to Root; nil: every live script below it
	Known   []string // relative to Root; aliases that an earlier call found
}

// AliasResult tells the aliases of one query.
type AliasResult struct {
	Aliased []string       // relative to Root, sorted
	PerLink map[string]int // keys found, by link
	// Assumed: the pool locks opcache.validate_timestamps at 1 (php_admin_value),
	// keys cannot be asked for, and every live script counts as aliased.
	Assumed bool
}

// Aliases finds the aliases of a release. It changes nothing.
func (a *Agent) Aliases(ctx context.Context, q AliasQuery) (AliasResult, error) {
	result := AliasResult{PerLink: map[string]int{}}
	qs, err := a.withScripts(ctx, []AliasQuery{q})
	if err != nil {
		return result, err
	}
	aliased := map[string]bool{}
	for _, batch := range pack(askPieces(qs)) {
		if err := a.ask(ctx, batch, &result, aliased); err != nil {
			return result, err
		}
	}
	for script := range aliased {
		result.Aliased = append(result.Aliased, script)
	}
	slices.Sort(result.Aliased)
	return result, nil
}

func (a *Agent) ask(ctx context.Context, batch []piece, result *AliasResult, aliased map[string]bool) error {
	var out struct {
		Queries []struct {
			Aliased paths `json:"aliased"`
			Keys    []int `json:"keys"`
		} `json:"queries"`
		Assumed bool `json:"assumed"`
	}
	if _, err := a.call(ctx, "aliases", aliasInput{batch}, &out); err != nil {
		return err
	}
	if len(out.Queries) != len(batch) {
		return fmt.Errorf("aliases in pool %s: %w: %d answers to %d queries", a.pool, ErrCorrupt, len(out.Queries), len(batch))
	}
	result.Assumed = result.Assumed || out.Assumed
	for i, one := range out.Queries {
		for _, script := range one.Aliased {
			aliased[script] = true
		}
		for j, n := range one.Keys[:min(len(one.Keys), len(batch[i].Links))] {
			result.PerLink[batch[i].Links[j]] += n
		}
	}
	return nil
}
