package webmap

import (
	"path/filepath"
	"relink/deploy/apps"
	"relink/internal/config"
	"slices"
	"strings"
)

// MapEntries is what Apache's map says where the instances are on these releases:
// a line for each instance, and one for its host. What is on no release has none,
// for the rule of the web server serves only releases.
func MapEntries(app apps.App, release func(config.Instance) string) []Entry {
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
			hosts[HostKey(instance.Probe.Host)] = id
		}
	}
	for host, id := range hosts {
		add(host, id)
	}
	var entries []Entry
	for key, id := range lines {
		entries = append(entries, Entry{Key: key, Release: id})
	}
	return ByKey(entries)
}

// ByKey sorts entries.
func ByKey(entries []Entry) []Entry {
	return slices.SortedFunc(slices.Values(entries), func(a, b Entry) int { return strings.Compare(a.Key, b.Key) })
}
