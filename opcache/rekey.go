package opcache

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"relink/php"
)

// rekeyTries is how often a key is led to the new release before it is given up.
// A try fails while visitors bring the old or the new script back in the very
// moment, which takes them a compilation and this a few microseconds.
const rekeyTries = 20

// linkedKey is a key through one of the links that move.
type linkedKey struct {
	php.Key
	link   int
	prefix string // how it spells that link
}

// liveKeys finds the keys through links whose old release others still use.
// What a release no longer has is left out: the web server finds no such file.
func (s *Switch) liveKeys(ctx context.Context, v *view, scripts func(query) []string) ([]linkedKey, error) {
	var found []linkedKey
	for q, prefixes := range s.questions(v.cache, true) {
		byPrefix, err := v.cache.agent().Keys(ctx, keys(prefixes), scripts(q))
		if err != nil {
			return nil, err
		}
		old := v.cache.toPool(q.folder())
		for prefix, list := range byPrefix {
			link := prefixes[prefix]
			folder := filepath.Join(s.links[link].To, q.sub)
			for _, script := range list {
				if _, err := os.Stat(filepath.Join(folder, script)); err != nil {
					continue
				}
				found = append(found, linkedKey{link: link, prefix: prefix, Key: php.Key{
					Path: prefix + "/" + script, Old: old + "/" + script, New: v.cache.toPool(folder) + "/" + script,
				}})
			}
		}
	}
	return found, nil
}

// rekey leads keys to the new release and proves where they lead. It returns
// those that it could not lead there.
func (s *Switch) rekey(ctx context.Context, one *cache, wanted []linkedKey) (left []linkedKey, err error) {
	left = wanted
	for try := 0; try < rekeyTries && len(left) > 0; try++ {
		if err := s.tryRekey(ctx, one, left, try > 0); err != nil {
			return left, err
		}
		if left, err = s.notAtNew(ctx, one, left); err != nil {
			return left, err
		}
	}
	return left, nil
}

// tryRekey gives each key a request of its own when they have failed together:
// two scripts of an application may declare the same names.
func (s *Switch) tryRekey(ctx context.Context, one *cache, wanted []linkedKey, alone bool) error {
	plain := make([]php.Key, len(wanted))
	for i, key := range wanted {
		plain[i] = key.Key
	}
	ctx, cancel := context.WithTimeout(ctx, s.caches.options.CallTimeout)
	defer cancel()
	if !alone {
		return one.agent().Rekey(ctx, plain)
	}
	for i := range plain {
		if err := one.agent().Rekey(ctx, plain[i:i+1]); err != nil {
			return err
		}
	}
	return nil
}

// notAtNew asks where keys lead. One that leads nowhere is not done either: its
// old script may only be dead for the moment.
func (s *Switch) notAtNew(ctx context.Context, one *cache, asked []linkedKey) ([]linkedKey, error) {
	targets, err := s.targets(ctx, one, asked)
	if err != nil {
		return asked, err
	}
	var left []linkedKey
	for i, key := range asked {
		if targets[i] != key.New {
			left = append(left, key)
		}
	}
	return left, nil
}

func (s *Switch) targets(ctx context.Context, one *cache, asked []linkedKey) ([]string, error) {
	paths := make([]string, len(asked))
	for i, key := range asked {
		paths[i] = key.Path
	}
	ctx, cancel := context.WithTimeout(ctx, s.caches.options.CallTimeout)
	defer cancel()
	return one.agent().Targets(ctx, paths)
}

// rekeyAstray looks for keys through the moved links that lead to a release that
// others still use, and leads them to the new one.
func (s *Switch) rekeyAstray(ctx context.Context, v *view) (rekeyed int, left []linkedKey, err error) {
	if len(s.questions(v.cache, true)) == 0 {
		return 0, nil, nil
	}
	scripts, err := s.caches.hotShared(ctx, s, v.cache)
	if err != nil {
		return 0, nil, err
	}
	live, err := s.liveKeys(ctx, v, func(q query) []string { return v.cache.below(scripts[q.release], q) })
	if err != nil {
		return 0, nil, err
	}
	targets, err := s.targets(ctx, v.cache, live)
	if err != nil {
		return 0, nil, err
	}
	var astray []linkedKey
	for i, key := range live {
		if strings.HasPrefix(targets[i], strings.TrimSuffix(key.Old, filepath.Base(key.Old))) {
			astray = append(astray, key)
		}
	}
	left, err = s.rekey(ctx, v.cache, astray)
	return len(astray) - len(left), left, err
}

// hotShared lists what is live now of the old releases that others still use.
func (c *Caches) hotShared(ctx context.Context, s *Switch, one *cache) (map[string][]php.Script, error) {
	hot := map[string][]php.Script{}
	for release, shared := range s.oldReleases() {
		if !shared {
			continue
		}
		scripts, err := c.hotScripts(ctx, one, release, true)
		if err != nil {
			return nil, err
		}
		hot[release] = scripts
	}
	return hot, nil
}
