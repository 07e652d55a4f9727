package opcache

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"relink/php"
)

// Switch is the cache work for one set of links that move together. Its methods
// are called in the order Observe, Warm, Refresh, (the links move), Sweep, Invalidate,
// Settle, Retire.
type Switch struct {
	caches  *Caches
	links   []Link
	spell   *spellings
	pinned  map[*pool]map[int]bool
	views   []*view  // one for each cache
	places  []Place  // nil before Room
	emptied []string // addresses of the pools whose cache starts empty with the switch

	mu      sync.Mutex // guards spell: listings teach it while others ask
	settled bool
}

// view is what one cache holds of the old targets.
type view struct {
	cache    *cache
	hot      map[string][]php.Script // live scripts by old release, as the host sees it
	aliased  map[query][]string      // relative paths of the scripts that are keyed through a link
	keyed    []linkedKey             // keys that lead to a release that others still use
	perLink  []int                   // keys found by link
	unlisted int64                   // keys in the cache that are neither a script nor one of those found
}

// query is one question to the agent: the scripts below root that may be keyed
// through a link whose web path leads to sub inside of it.
type query struct {
	release   string
	root, sub string
	shared    bool
}

func (q query) folder() string { return filepath.Join(q.root, q.sub) }

// Observe notes what is live before anything moves: the scripts of the old
// targets (the hot set), and which of them are keyed through the links.
func (c *Caches) Observe(ctx context.Context, links []Link) (*Switch, error) {
	s := &Switch{caches: c, links: links, spell: newSpellings(links, c.options.ReachedAs), pinned: map[*pool]map[int]bool{}}
	if err := s.Refresh(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// Refresh observes again. It is called right before the links move, where time
// has passed since: visitors may have asked for further pages.
func (s *Switch) Refresh(ctx context.Context) error {
	if err := s.learn(ctx); err != nil {
		return err
	}
	views := make([]*view, len(s.caches.caches))
	err := s.caches.eachCache(ctx, func(ctx context.Context, i int, one *cache) (err error) {
		views[i], err = s.view(ctx, one)
		return err
	})
	if err == nil {
		s.views = views
	}
	return err
}

// Learned lists the folders through which the web server is known to reach the
// links. Given back as Options.ReachedAs they are known from the start.
func (s *Switch) Learned() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.spell.learned()
}

// learn takes new spellings from what the workers ran last.
func (s *Switch) learn(ctx context.Context) error {
	return s.caches.eachPool(ctx, func(ctx context.Context, p *pool) error {
		ctx, cancel := context.WithTimeout(ctx, s.caches.options.CallTimeout)
		defer cancel()
		_, scripts, err := p.look(ctx)
		if err != nil && !errors.Is(err, errUnlisted) {
			return err
		}
		s.hear(p, append(scripts, p.seen...))
		return nil
	})
}

// hear takes the literal paths of scripts that the workers of p ran.
func (s *Switch) hear(p *pool, scripts []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, script := range scripts {
		s.spell.learn(p.agent.Pool().PathMap.ToHost(collapseRoot(script)))
	}
}

func (s *Switch) view(ctx context.Context, one *cache) (*view, error) {
	v := &view{cache: one, hot: map[string][]php.Script{}}
	ctx, cancel := context.WithTimeout(ctx, s.caches.options.CallTimeout)
	defer cancel()
	for release, shared := range s.oldReleases() {
		scripts, err := s.caches.hotScripts(ctx, one, release, shared)
		if err != nil {
			return nil, err
		}
		v.hot[release] = scripts
	}
	if err := s.findAliases(ctx, v); err != nil {
		return nil, err
	}
	if err := s.findKeys(ctx, v); err != nil {
		return nil, err
	}
	status, err := one.agent().Status(ctx)
	if err != nil {
		return nil, err
	}
	v.unlisted = status.Statistics.CachedKeys - status.Statistics.CachedScripts - int64(total(v.perLink))
	return v, nil
}

// hotScripts lists the live scripts of a release. One that others still use is
// made whole first: the key of a script that is dead at this moment cannot be
// seen, and would lead to it again as soon as the others compile it.
func (c *Caches) hotScripts(ctx context.Context, one *cache, release string, shared bool) ([]php.Script, error) {
	scripts, err := one.agent().Scripts(ctx, []string{one.toPool(release)})
	if err != nil {
		return nil, err
	}
	dead := func(sc php.Script) bool { return !sc.Live }
	if shared && slices.ContainsFunc(scripts, dead) {
		var files []string
		for _, script := range scripts {
			if dead(script) {
				files = append(files, script.Path)
			}
		}
		if _, err := c.compile(ctx, one, files, func(int) {}); err != nil {
			return nil, err
		}
		if scripts, err = one.agent().Scripts(ctx, []string{one.toPool(release)}); err != nil {
			return nil, err
		}
	}
	return slices.DeleteFunc(scripts, dead), nil
}

// oldReleases lists the releases that links move away from, and whether others
// still use them.
func (s *Switch) oldReleases() map[string]bool {
	releases := map[string]bool{}
	for _, l := range s.links {
		if l.moves() {
			releases[l.fromRelease()] = releases[l.fromRelease()] || l.Shared
		}
	}
	return releases
}

// findAliases asks one cache which scripts are keyed through the links.
func (s *Switch) findAliases(ctx context.Context, v *view) error {
	v.aliased, v.perLink = map[query][]string{}, make([]int, len(s.links))
	for q, prefixes := range s.questions(v.cache, false) {
		answer, err := v.cache.agent().Aliases(ctx, s.ask(v, q, prefixes))
		if err != nil {
			return err
		}
		v.aliased[q] = answer.Aliased
		for prefix, n := range answer.PerLink {
			v.found(s, prefixes[prefix], prefix, n)
		}
	}
	return nil
}

// findKeys asks one cache for the keys through links whose old release others
// still use.
func (s *Switch) findKeys(ctx context.Context, v *view) error {
	var err error
	v.keyed, err = s.liveKeys(ctx, v, v.relative)
	for _, key := range v.keyed {
		v.found(s, key.link, key.prefix, 1)
	}
	return err
}

// found counts keys through a link, each of which proves how it is reached.
func (v *view) found(s *Switch, link int, prefix string, n int) {
	if v.perLink[link] += n; n > 0 {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.spell.prove(link, v.cache.toHost(collapseRoot(prefix)))
	}
}

// questions groups every known literal prefix by what it leads to; each prefix
// is given with its link.
func (s *Switch) questions(one *cache, shared bool) map[query]map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	questions := map[query]map[string]int{}
	for i, l := range s.links {
		if !l.moves() || l.Shared != shared {
			continue
		}
		for _, how := range s.spell.byLink[i] {
			q := query{release: l.fromRelease(), root: l.From, sub: how.Sub, shared: shared}
			if questions[q] == nil {
				questions[q] = map[string]int{}
			}
			for _, literal := range literalPrefixes(one.toPool(how.Prefix)) {
				questions[q][literal] = i
			}
		}
	}
	return questions
}

func (s *Switch) ask(v *view, q query, prefixes map[string]int) php.AliasQuery {
	return php.AliasQuery{
		Root:    v.cache.toPool(q.folder()),
		Links:   keys(prefixes),
		Scripts: v.relative(q),
		Known:   v.aliased[q],
	}
}

// relative lists the hot scripts below q, as paths relative to it.
func (v *view) relative(q query) []string { return v.cache.below(v.hot[q.release], q) }

func (c *cache) below(scripts []php.Script, q query) []string {
	base := c.toPool(q.folder()) + "/"
	out := make([]string, 0, len(scripts))
	for _, script := range scripts {
		if rest, below := strings.CutPrefix(script.Path, base); below {
			out = append(out, rest)
		}
	}
	return out
}

// unknown lists the links that the web server may reach in a way that is not
// known: the cache holds keys that nobody can account for, and neither a worker
// nor a key has been seen that spells such a link or a neighbour in the same
// folder. Keys cannot be listed, so more cannot be known.
func (s *Switch) unknown(v *view, shared bool) []Link {
	if v.unlisted <= 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var links []Link
	for i, l := range s.links {
		if l.moves() && l.Shared == shared && !s.spell.known[s.spell.homes[i]] {
			links = append(links, l)
		}
	}
	return links
}

func keys(m map[string]int) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

func total(counts []int) int {
	sum := 0
	for _, n := range counts {
		sum += n
	}
	return sum
}
