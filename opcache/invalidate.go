package opcache

import (
	"context"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"relink/php"
)

// Invalidate is the cut-over: it invalidates, by real path, the scripts of the
// old targets that are keyed through the links. Until its last invalidation all
// swept workers serve the old release, after it the new one. Scripts that are
// only included by real path stay, for requests that still run on them.
func (s *Switch) Invalidate(ctx context.Context) (InvalidateResult, error) {
	var result InvalidateResult
	var mu sync.Mutex
	err := s.caches.eachCache(ctx, func(ctx context.Context, i int, one *cache) error {
		v := s.views[i]
		queries := append(s.aliasQueries(v), s.fallbackQueries(v)...)
		answer, err := s.invalidateAliased(ctx, one, queries)
		mu.Lock()
		defer mu.Unlock()
		result.add(one, answer)
		return err
	})
	return result, err
}

func (r *InvalidateResult) add(one *cache, answer php.AliasedResult) {
	r.Invalidated += len(answer.Invalidated)
	for _, path := range answer.Failed {
		r.Failed = append(r.Failed, FailedScript{Path: one.toHost(path), Reason: "opcache_invalidate() refused it"})
	}
	if answer.Last.After(r.Last) {
		r.Last = answer.Last
	}
}

func (s *Switch) invalidateAliased(ctx context.Context, one *cache, queries []php.AliasQuery) (php.AliasedResult, error) {
	if len(queries) == 0 {
		return php.AliasedResult{Last: time.Now()}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.caches.options.CallTimeout)
	defer cancel()
	return one.agent().InvalidateAliased(ctx, queries)
}

// aliasQueries asks again for what Observe found, because new keys may have
// come since.
func (s *Switch) aliasQueries(v *view) []php.AliasQuery {
	var queries []php.AliasQuery
	for q, prefixes := range s.questions(v.cache) {
		queries = append(queries, s.ask(v, q, prefixes))
	}
	return queries
}

// fallbackQueries treats every cached script below the document root as keyed,
// for old targets of links that may be reached in an unknown way.
func (s *Switch) fallbackQueries(v *view) []php.AliasQuery {
	var queries []php.AliasQuery
	for _, root := range s.unknownSpellings(v) {
		q := query{root: root, sub: strings.Trim(filepath.Clean(s.caches.options.Docroot), "./")}
		queries = append(queries, php.AliasQuery{
			Root:    v.cache.toPool(filepath.Join(q.root, q.sub)),
			Scripts: []string{},
			Known:   v.relative(q),
		})
	}
	return queries
}

// regained invalidates what the old targets have got back, judged by all that
// is in the cache now.
func (s *Switch) regained(ctx context.Context, v *view, fallback bool) (int, error) {
	queries := s.aliasQueries(v)
	for i := range queries {
		queries[i].Known, queries[i].Scripts = nil, nil
	}
	if fallback {
		queries = append(queries, s.fallbackQueries(v)...)
	}
	answer, err := s.invalidateAliased(ctx, v.cache, queries)
	return len(answer.Invalidated), err
}
