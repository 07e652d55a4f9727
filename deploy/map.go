package deploy

import (
	"path/filepath"
	"slices"
	"strings"

	"relink/deploy/apps"
	"relink/deploy/moves"
	"relink/deploy/webmap"
)

// mapEntries is what Apache's map says where the instances are on these releases:
// a line for each instance, and one for its host. What is on no release has none,
// for the rule of the web server serves only releases.
func mapEntries(app apps.App, release func(apps.Instance) string) []webmap.Entry {
	lines := map[string]string{}
	add := func(key, id string) {
		if _, there := lines[key]; key != "" && !there {
			lines[key] = id
		}
	}
	hosts := map[string]string{}
	for _, instance := range app.Instances {
		if id := release(instance); id != "" && !filepath.IsAbs(id) {
			add(instance.Name, id)
			hosts[webmap.HostKey(instance.Host)] = id
		}
	}
	for host, id := range hosts {
		add(host, id)
	}
	var entries []webmap.Entry
	for key, id := range lines {
		entries = append(entries, webmap.Entry{Key: key, Release: id})
	}
	return byKey(entries)
}

func byKey(entries []webmap.Entry) []webmap.Entry {
	return slices.SortedFunc(slices.Values(entries), func(a, b webmap.Entry) int { return strings.Compare(a.Key, b.Key) })
}

// prepareMap writes the map as it will be, under a temporary name.
func (r *run) prepareMap(plan moves.Plan) (*webmap.Staged, error) {
	if r.App.Map == "" {
		return nil, nil
	}
	return webmap.Prepare(r.App.Map, mapEntries(r.App, func(i apps.Instance) string {
		if move := moveIn(plan, i.Name); move.Instance != "" {
			return move.To.Release
		}
		return r.App.LinkedRelease(i)
	}))
}

// switchMap puts the new map in place, after the links, which are for shells and
// cron: where the web server goes by the map this is the cut-over, of all
// instances at once, and what fails before it has changed nothing that serves.
func (r *run) switchMap(staged *webmap.Staged) error {
	if err := staged.Commit(); err != nil {
		return err
	}
	r.Reached("moved the map")
	return nil
}

// mapFromLinks makes the map say what the links say: they are the truth.
func (r *run) mapFromLinks() error {
	if r.App.Map == "" {
		return nil
	}
	entries := mapEntries(r.App, r.App.LinkedRelease)
	if now, readErr := webmap.Read(r.App.Map); readErr == nil && slices.Equal(byKey(now), entries) {
		return nil
	}
	return webmap.Write(r.App.Map, entries)
}
