package php

import (
	"context"
	"strings"
)

// One request stays below these, so that no post_max_size in practice swallows
// it and no worker of the site is held for more than some tens of milliseconds
// (9,030 look-ups take 1 ms).
const (
	maxBody    = 224 << 10 // bytes
	maxLookups = 400_000
	maxLinks   = 64 // links of one piece, and the most for which the agent lists the scripts itself
)

// piece is a part of an AliasQuery that fits into one request.
type piece struct {
	Root    text   `json:"root"`
	Links   paths  `json:"links"`
	Scripts *paths `json:"scripts"` // null: the agent lists the live scripts below Root
	Known   paths  `json:"known"`
}

type aliasInput struct {
	Queries []piece `json:"queries"`
}

// size is about what p takes in the body.
func (p piece) size() int {
	n := listSize(p.Links) + listSize(p.Known) + len(p.Root) + 64
	if p.Scripts != nil {
		n += listSize(*p.Scripts)
	}
	return n
}

func (p piece) lookups() int {
	if p.Scripts == nil {
		return 0 // not known here; maxLinks bounds it
	}
	return len(p.Links) * len(*p.Scripts)
}

func listSize(list []string) int {
	n := 0
	for _, s := range list {
		n += len(s) + 3 // quotes and comma
	}
	return n
}

// pack fills requests with pieces, in their order.
func pack(pieces []piece) [][]piece {
	var batches [][]piece
	size, lookups := 0, 0
	for _, p := range pieces {
		size, lookups = size+p.size(), lookups+p.lookups()
		if len(batches) == 0 || size > maxBody || lookups > maxLookups {
			batches = append(batches, nil)
			size, lookups = p.size(), p.lookups()
		}
		last := len(batches) - 1
		batches[last] = append(batches[last], p)
	}
	return batches
}

func knownPieces(qs []AliasQuery) []piece {
	var pieces []piece
	for _, q := range qs {
		for _, known := range chunk(q.Known, maxBody/2, len(q.Known)) {
			pieces = append(pieces, piece{Root: root(q), Known: known, Scripts: &paths{}})
		}
	}
	return pieces
}

func askPieces(qs []AliasQuery) []piece {
	var pieces []piece
	for _, q := range qs {
		for _, links := range chunk(unique(q.Links), maxBody/3, maxLinks) {
			if q.Scripts == nil {
				pieces = append(pieces, piece{Root: root(q), Links: links})
				continue
			}
			for _, scripts := range chunk(q.Scripts, maxBody/3, maxLookups/len(links)) {
				list := paths(scripts)
				pieces = append(pieces, piece{Root: root(q), Links: links, Scripts: &list})
			}
		}
	}
	return pieces
}

func root(q AliasQuery) text { return text(strings.TrimRight(q.Root, "/")) }

// wide queries need more than one piece for their links: listing the scripts
// once here costs less than once for every piece in the pool.
func (q AliasQuery) wide() bool { return q.Scripts == nil && len(q.Links) > maxLinks }

func anyWide(qs []AliasQuery) bool {
	for _, q := range qs {
		if q.wide() {
			return true
		}
	}
	return false
}

// withScripts fills in the scripts of wide queries.
func (a *Agent) withScripts(ctx context.Context, qs []AliasQuery) ([]AliasQuery, error) {
	filled := append([]AliasQuery(nil), qs...)
	for i, q := range filled {
		if !q.wide() {
			continue
		}
		all, err := a.Scripts(ctx, []string{q.Root})
		if err != nil {
			return nil, err
		}
		filled[i].Scripts = relativeLive(all, q.Root)
	}
	return filled, nil
}

func relativeLive(all []Script, folder string) []string {
	live := []string{}
	for _, s := range all {
		if rest, ok := below(s.Path, folder); ok && s.Live {
			live = append(live, strings.TrimPrefix(rest, "/"))
		}
	}
	return live
}

// chunk cuts list into parts of at most about size bytes and most entries.
func chunk(list []string, size, most int) [][]string {
	var parts [][]string
	from, bytes := 0, 0
	for i, s := range list {
		bytes += len(s) + 3
		if i > from && (bytes > size || i-from >= most) {
			parts = append(parts, list[from:i])
			from, bytes = i, len(s)+3
		}
	}
	if from < len(list) {
		parts = append(parts, list[from:])
	}
	return parts
}

func unique(list []string) []string {
	seen := map[string]bool{}
	var once []string
	for _, s := range list {
		if !seen[s] {
			seen[s] = true
			once = append(once, s)
		}
	}
	return once
}
