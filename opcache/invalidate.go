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
//
// A key is never removed, and leads to its old script again once somebody
// compiles that. Where nobody is left on the old release nobody will: an
// invalidated release must not be used again under the same path. Where others
// stay on it, the keys of the moved links are led to the new release instead.
func (s *Switch) Invalidate(ctx context.Context) (InvalidateResult, error) {
	var result InvalidateResult
	var mu sync.Mutex
	err := s.caches.eachCache(ctx, func(ctx context.Context, i int, one *cache) error {
		v := s.views[i]
		queries := append(s.aliasQueries(v), s.fallbackQueries(v)...)
		answer, err := s.invalidateAliased(ctx, one, queries)
		if err != nil {
			return err
		}
		left, err := s.rekey(ctx, one, v.keyed)
		mu.Lock()
		defer mu.Unlock()
		result.add(one, answer)
		if result.Rekeyed += len(v.keyed) - len(left); len(v.keyed) > 0 {
			result.Last = time.Now()
		}
		return err
	})
	if result.Last.IsZero() {
		result.Last = time.Now() // no key led anywhere: the sweep was the cut-over
	}
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
	for q, prefixes := range s.questions(v.cache, false) {
		queries = append(queries, s.ask(v, q, prefixes))
	}
	return queries
}

// fallbackQueries treats every cached script below the document root as keyed,
// for old targets of links that may be reached in an unknown way.
func (s *Switch) fallbackQueries(v *view) []php.AliasQuery {
	var queries []php.AliasQuery
	done := map[string]bool{}
	for _, l := range s.unknown(v, false) {
		if done[l.From] {
			continue
		}
		done[l.From] = true
		q := query{release: l.fromRelease(), root: l.From, sub: strings.Trim(filepath.Clean("/"+s.caches.options.Docroot), "/")}
		queries = append(queries, php.AliasQuery{Root: v.cache.toPool(q.folder()), Scripts: []string{}, Known: v.relative(q)})
	}
	return queries
}

// regained takes back what the old targets have got again, judged by all that is
// in the cache now. It tells which keys it could not lead away from them.
func (s *Switch) regained(ctx context.Context, v *view) (n int, astray []string, err error) {
	queries := s.aliasQueries(v)
	for i := range queries {
		queries[i].Known, queries[i].Scripts = nil, nil
	}
	answer, err := s.invalidateAliased(ctx, v.cache, queries)
	if err != nil {
		return 0, nil, err
	}
	rekeyed, left, err := s.rekeyAstray(ctx, v)
	for _, key := range left {
		astray = append(astray, key.Path)
	}
	return len(answer.Invalidated) + rekeyed, astray, err
}
