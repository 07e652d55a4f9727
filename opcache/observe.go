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
	caches *Caches
	links  []Link
	spell  *spellings
	pinned map[*pool]map[int]bool
	views  []*view // one for each cache

	mu      sync.Mutex // guards spell: listings teach it while others ask
	settled bool
}

// view is what one cache holds of the old targets.
type view struct {
	cache    *cache
	hot      map[string][]php.Script // live scripts by old target, as the host sees it
	aliased  map[query][]string      // relative paths of the scripts that are keyed through a link
	perLink  []int                   // keys found by link
	unlisted int64                   // keys in the cache that are neither a script nor one of those found
}

// query is one question to the agent: the scripts below root that may be keyed
// through a link whose web path leads to sub inside of it.
type query struct{ root, sub string }

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

// Learned lists the folders that the web server uses to reach the links, as far
// as they are known. Given back as Options.ReachedAs they are known from the
// start.
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
		s.hear(p, scripts)
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
	for _, root := range s.oldTargets() {
		scripts, err := one.agent().Scripts(ctx, []string{one.toPool(root)})
		if err != nil {
			return nil, err
		}
		v.hot[root] = slices.DeleteFunc(scripts, func(sc php.Script) bool { return !sc.Live })
	}
	if err := s.findAliases(ctx, v); err != nil {
		return nil, err
	}
	status, err := one.agent().Status(ctx)
	if err != nil {
		return nil, err
	}
	v.unlisted = status.Statistics.CachedKeys - status.Statistics.CachedScripts - int64(total(v.perLink))
	return v, nil
}

// oldTargets lists the distinct folders that links move away from.
func (s *Switch) oldTargets() []string {
	var roots []string
	for _, l := range s.links {
		if l.From != "" && l.From != l.To && !slices.Contains(roots, l.From) {
			roots = append(roots, l.From)
		}
	}
	return roots
}

// findAliases asks one cache which scripts are keyed through the links.
func (s *Switch) findAliases(ctx context.Context, v *view) error {
	v.aliased, v.perLink = map[query][]string{}, make([]int, len(s.links))
	for q, prefixes := range s.questions(v.cache) {
		answer, err := v.cache.agent().Aliases(ctx, s.ask(v, q, prefixes))
		if err != nil {
			return err
		}
		v.aliased[q] = answer.Aliased
		for prefix, n := range answer.PerLink {
			v.perLink[prefixes[prefix]] += n
		}
	}
	return nil
}

// questions groups every known literal prefix by what it leads to; each prefix
// is given with its link.
func (s *Switch) questions(one *cache) map[query]map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	questions := map[query]map[string]int{}
	for i, l := range s.links {
		if l.From == "" || l.From == l.To {
			continue
		}
		for _, how := range s.spell.byLink[i] {
			q := query{root: l.From, sub: how.Sub}
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
		Root:    v.cache.toPool(filepath.Join(q.root, q.sub)),
		Links:   keys(prefixes),
		Scripts: v.relative(q),
		Known:   v.aliased[q],
	}
}

// relative lists the hot scripts below q, as paths relative to it.
func (v *view) relative(q query) []string {
	base := v.cache.toPool(filepath.Join(q.root, q.sub)) + "/"
	out := make([]string, 0, len(v.hot[q.root]))
	for _, script := range v.hot[q.root] {
		if rest, below := strings.CutPrefix(script.Path, base); below {
			out = append(out, rest)
		}
	}
	return out
}

// unknownSpellings lists the old targets of links for which no key was found
// while the cache holds keys that nobody can account for. Keys cannot be
// listed, so such a link may be reached in a way that is not known.
func (s *Switch) unknownSpellings(v *view) []string {
	if v.unlisted <= 0 {
		return nil
	}
	var roots []string
	for i, l := range s.links {
		moves := l.From != "" && l.From != l.To
		if moves && v.perLink[i] == 0 && !slices.Contains(roots, l.From) {
			roots = append(roots, l.From)
		}
	}
	return roots
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
