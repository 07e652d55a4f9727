package opcache

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"relink/php"
)

// misled looks for live keys through the moved links that lead anywhere but to
// where the links lead now, and leads them there. It is the proof at the end: it
// also finds what this switch does not know of, such as the keys of a link that
// somebody had moved by hand, or of one that had been removed and is new again.
func (s *Switch) misled(ctx context.Context, v *view) (rekeyed int, left []linkedKey, err error) {
	var astray []linkedKey
	for to, prefixes := range s.destinations(v.cache) {
		wrong, err := s.misledTo(ctx, v, to, prefixes)
		if err != nil {
			return 0, nil, err
		}
		astray = append(astray, wrong...)
	}
	left, err = s.rekey(ctx, v.cache, astray)
	return len(astray) - len(left), left, err
}

// destination is a folder of a new target that the web server serves from.
type destination struct {
	release string
	folder  string
}

// destinations groups every known literal prefix by where it leads now; each is
// given with its link.
func (s *Switch) destinations(one *cache) map[destination]map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[destination]map[string]int{}
	for i, l := range s.links {
		if l.From == l.To {
			continue
		}
		for _, how := range s.spell.byLink[i] {
			to := destination{release: l.toRelease(), folder: filepath.Join(l.To, how.Sub)}
			if all[to] == nil {
				all[to] = map[string]int{}
			}
			for _, literal := range literalPrefixes(one.toPool(how.Prefix)) {
				all[to][literal] = i
			}
		}
	}
	return all
}

func (s *Switch) misledTo(ctx context.Context, v *view, to destination, prefixes map[string]int) ([]linkedKey, error) {
	scripts, err := s.pagesOf(ctx, v, to)
	if err != nil {
		return nil, err
	}
	byPrefix, err := v.cache.agent().Keys(ctx, keys(prefixes), scripts)
	if err != nil {
		return nil, err
	}
	var asked []linkedKey
	for prefix, list := range byPrefix {
		for _, script := range list {
			if path, err := filepath.EvalSymlinks(filepath.Join(to.folder, script)); err == nil {
				asked = append(asked, linkedKey{link: prefixes[prefix], prefix: prefix,
					Key: php.Key{Path: prefix + "/" + script, New: v.cache.toPool(path)}})
			}
		}
	}
	targets, err := s.targets(ctx, v.cache, asked)
	if err != nil {
		return nil, err
	}
	var astray []linkedKey
	for i, key := range asked {
		if key.Old = targets[i]; key.Old != "" && key.Old != key.New {
			astray = append(astray, key)
		}
	}
	return astray, nil
}

// pagesOf lists what may have a key: whatever is live of the new release, of the
// old ones, and of any other beside it, as paths inside a release.
func (s *Switch) pagesOf(ctx context.Context, v *view, to destination) ([]string, error) {
	beside := v.cache.toPool(filepath.Dir(to.release))
	live, err := v.cache.agent().Scripts(ctx, []string{beside})
	if err != nil {
		return nil, err
	}
	inside, err := filepath.Rel(to.release, to.folder)
	if err != nil {
		return nil, err
	}
	var pages []string
	for _, script := range live {
		if page, ok := pageOf(strings.TrimPrefix(script.Path, beside+"/"), inside); ok && script.Live {
			pages = append(pages, page)
		}
	}
	for q := range s.questions(v.cache, false) {
		pages = append(pages, v.relative(q)...)
	}
	slices.Sort(pages)
	return slices.DeleteFunc(slices.Compact(pages), func(page string) bool {
		_, err := os.Stat(filepath.Join(to.folder, page))
		return err != nil
	}), nil
}

// pageOf cuts the release and the folder inside of it from a path such as
// "v1/public/index.php".
func pageOf(path, inside string) (page string, ok bool) {
	_, rest, ok := strings.Cut(path, "/")
	if !ok || inside == "." {
		return rest, ok
	}
	return strings.CutPrefix(rest, inside+"/")
}
