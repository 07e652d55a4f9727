package health

import (
	"context"
	"errors"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"

	"relink/deploy"
	"relink/internal/realpath"
	"relink/php"
)

// aliases asks for keys that lead to a release which their link has left.
//
// OPcache tells at once that a key exists, but where it leads only by loading its
// script. It certainly leads elsewhere if the script that the link names now is
// not live: a key of a live script is all that OPcache answers for. Only where the
// scripts of both releases are live is the question asked that loads.
func (h *hunt) aliases(ctx context.Context) ([]StaleAlias, error) {
	var found []StaleAlias
	for target, instances := range h.byTarget() {
		for id, one := range h.releases {
			if id == instances[0].Release {
				continue
			}
			alias, err := h.ask(ctx, target, instances, id, one.live)
			if err != nil {
				return found, err
			}
			if alias != nil {
				found = append(found, *alias)
			}
		}
	}
	slices.SortFunc(found, func(a, b StaleAlias) int { return strings.Compare(a.Release, b.Release) })
	return found, nil
}

func (h *hunt) byTarget() map[string][]Instance {
	groups := map[string][]Instance{}
	for _, i := range h.app.Instances {
		if i.Kind == deploy.LinkGood {
			groups[i.Real] = append(groups[i.Real], i)
		}
	}
	return groups
}

func (h *hunt) ask(ctx context.Context, target string, instances []Instance, id string, scripts []string) (*StaleAlias, error) {
	var missing, both []string
	for _, s := range scripts {
		if h.isLive(target, s, h.live) {
			both = append(both, s)
		} else {
			missing = append(missing, s)
		}
	}
	links := h.literal(instances)
	if found, err := h.certain(ctx, target, id, missing, links); found != nil || err != nil {
		return found, err
	}
	return h.loaded(ctx, target, id, both, links)
}

// certain finds keys whose new script is not live.
func (h *hunt) certain(ctx context.Context, target, id string, missing []string, links map[string]string) (*StaleAlias, error) {
	if len(missing) == 0 {
		return nil, nil
	}
	answer, err := h.cache.first().agent.Aliases(ctx, php.AliasQuery{
		Root: h.cache.paths().ToPool(filepath.Join(h.app.Releases, id, h.target)), Links: keysOf(links), Scripts: missing,
	})
	switch {
	case err != nil || len(answer.Aliased) == 0:
		return nil, err
	case answer.Assumed:
		return nil, errLocked
	}
	return h.confirm(ctx, target, id, answer, links)
}

// mostLoaded bounds the keys that one look follows by loading their scripts, at
// about 1 ms each. Another look follows others.
const mostLoaded = 100

// loaded finds keys that lead to the release by following them.
func (h *hunt) loaded(ctx context.Context, target, id string, scripts []string, links map[string]string) (*StaleAlias, error) {
	agent, root := h.cache.first().agent, h.cache.paths().ToPool(filepath.Join(h.app.Releases, id))
	if len(scripts) == 0 {
		return nil, nil
	}
	found, err := agent.Keys(ctx, keysOf(links), scripts)
	if err != nil {
		return nil, err
	}
	var keys []literalKey
	for link, list := range found {
		for _, script := range list {
			keys = append(keys, literalKey{link, script})
		}
	}
	rand.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	stale := &StaleAlias{Master: h.cache.sample.Name, Release: id}
	for _, key := range keys[:min(len(keys), mostLoaded)] {
		leads, err := agent.Targets(ctx, []string{key.link + "/" + key.script})
		if err != nil {
			return nil, err
		}
		if strings.HasPrefix(leads[0], root+"/") && h.stillOn(links[key.link], target) {
			stale.add(links[key.link], key.script)
		}
	}
	return stale.orNone(), nil
}

// literalKey is a script through a spelling of a link.
type literalKey struct{ link, script string }

func (s *StaleAlias) add(instance, script string) {
	if !slices.Contains(s.Instances, instance) {
		s.Instances = append(s.Instances, instance)
	}
	if !slices.Contains(s.Scripts, script) {
		s.Scripts = append(s.Scripts, script)
	}
}

// orNone is nil where nothing was found.
func (s *StaleAlias) orNone() *StaleAlias {
	if len(s.Scripts) == 0 || len(s.Instances) == 0 {
		return nil
	}
	slices.Sort(s.Instances)
	slices.Sort(s.Scripts)
	return s
}

// literal gives the names of the instances by every spelling of their links.
func (h *hunt) literal(instances []Instance) map[string]string {
	links := map[string]string{}
	for _, i := range instances {
		for _, spelling := range h.spell.of(i.Link) {
			plain := "/" + strings.TrimLeft(h.cache.paths().ToPool(spelling), "/")
			links[plain], links["/"+plain] = i.Name, i.Name // "fcgi://localhost/" in Apache's handler doubles the slash
		}
	}
	return links
}

var errLocked = errors.New("the pool locks opcache.validate_timestamps at 1 (php_admin_value), so that keys cannot be asked for")

// confirm looks again: a visitor may have had the new script compiled, and a
// deploy may have moved the links, while the question was under way.
func (h *hunt) confirm(ctx context.Context, target, id string, answer php.AliasResult, links map[string]string) (*StaleAlias, error) {
	live, err := h.liveNow(ctx)
	if err != nil {
		return nil, err
	}
	stale := &StaleAlias{Master: h.cache.sample.Name, Release: id}
	for _, script := range answer.Aliased {
		if !h.isLive(target, script, live) && live[filepath.Join(h.app.Releases, id, h.target, script)] {
			stale.Scripts = append(stale.Scripts, script)
		}
	}
	for link, keys := range answer.PerLink {
		if keys > 0 && !slices.Contains(stale.Instances, links[link]) && h.stillOn(links[link], target) {
			stale.Instances = append(stale.Instances, links[link])
		}
	}
	return stale.orNone(), nil
}

func (h *hunt) liveNow(ctx context.Context) (map[string]bool, error) {
	scripts, err := h.cache.first().agent.Scripts(ctx, nil)
	live := map[string]bool{}
	for _, s := range scripts {
		if s.Live {
			live[h.cache.paths().ToHost(s.Path)] = true
		}
	}
	return live, err
}

// isLive tells whether the script that a link names now is live. Inside the
// release it may itself be reached through a symlink.
func (h *hunt) isLive(target, script string, live map[string]bool) bool {
	path := filepath.Join(target, script)
	if live[path] {
		return true
	}
	real, err := realpath.Of(path)
	return err == nil && live[real]
}

func (h *hunt) stillOn(name, target string) bool {
	for _, i := range h.app.Instances {
		if i.Name == name {
			state, err := deploy.ReadLink(i.Link)
			return err == nil && state.Real == target
		}
	}
	return false
}

func keysOf(m map[string]string) []string {
	all := make([]string, 0, len(m))
	for key := range m {
		all = append(all, key)
	}
	slices.Sort(all)
	return all
}
