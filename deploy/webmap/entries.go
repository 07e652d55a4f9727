package webmap

import (
	"maps"
	"path/filepath"

	"relink/deploy/apps"
	"relink/internal/config"
)

// Of is what Apache's map says where the instances are on these releases: a line for
// each instance, and one for its host. What is on no release has none, for the rule of
// the web server serves only releases.
func Of(app apps.App, release func(config.Instance) string) Map {
	names, all := Map{}, Map{}
	for _, instance := range app.Instances {
		if id := release(instance); id != "" && !filepath.IsAbs(id) {
			names[instance.Name] = id
			all[HostKey(instance.Probe.Host)] = id
		}
	}
	delete(all, "")
	maps.Copy(all, names)
	return all
}
