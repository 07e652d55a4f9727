package config

import (
	"maps"
	"path/filepath"
	"slices"

	"github.com/goccy/go-yaml/ast"
)

func (r *reader) apps(to *[]App) take {
	return func(n node) {
		for _, e := range r.entries(n) {
			if !validName(e.name) {
				r.wrongAt(e.keyAt, e.key, "the name of an application "+nameForm)
				continue
			}
			*to = append(*to, r.app(e))
		}
	}
}

// sourceKinds are the keys of which a source has one.
var sourceKinds = map[string]func(r *reader, location *string) take{
	"git":     (*reader).git,
	"dir":     (*reader).template,
	"archive": (*reader).template,
}

// SourceKinds lists the kinds of source, sorted.
func SourceKinds() []string { return slices.Sorted(maps.Keys(sourceKinds)) }

func (r *reader) source(to *Source) keys {
	found := keys{"submodules": r.boolean(&to.Submodules)}
	for kind, read := range sourceKinds {
		found[kind] = func(n node) {
			to.Kind = kind
			read(r, &to.Location)(n)
		}
	}
	return found
}

func (r *reader) app(e entry) App {
	a := App{Name: e.name, Keep: 3, MinFree: 100 << 20, LinkTarget: ".", Docroot: "."}
	r.mapping(e.node, keys{
		"source":         r.section(r.source(&a.Source)),
		"releases":       r.absolute(&a.Releases),
		"keep":           r.integer(&a.Keep, 0, 1000),
		"min_free":       r.size(&a.MinFree),
		"link_target":    r.relative(&a.LinkTarget),
		"docroot":        r.relative(&a.Docroot),
		"instances":      r.instances(&a.Instances),
		"instances_from": r.instancesFrom(&a.InstancesFrom),
		"check":          r.check(&a.Check, true),
		"probe":          r.probe(&a.Probe, true),
		"map":            r.absolute(&a.Map),
		"shared":         r.list(&a.Shared, r.relative),
		"shared_dir":     r.absolute(&a.SharedDir),
		"assets":         r.list(&a.Assets, r.relative),
		"hooks": r.section(keys{
			"build":         r.list(&a.Hooks.Build, r.text),
			"before_switch": r.list(&a.Hooks.BeforeSwitch, r.text),
			"after_switch":  r.list(&a.Hooks.AfterSwitch, r.text),
			"timeout":       r.duration(&a.Hooks.Timeout, moment),
		}),
		"pools": r.list(&a.Pools, r.address),
	})
	return a
}

func (r *reader) instances(to *[]Instance) take {
	return func(n node) {
		for _, e := range r.entries(n) {
			if !validName(e.name) {
				r.wrongAt(e.keyAt, e.key, "the name of an instance "+nameForm)
				continue
			}
			*to = append(*to, r.instance(e))
		}
	}
}

// instance reads "name: /link" and "name: {link: /link, check: ...}".
func (r *reader) instance(e entry) Instance {
	i := Instance{Name: e.name}
	if r.isMapping(e.node) {
		r.mapping(e.node, keys{"link": r.absolute(&i.Link), "check": r.check(&i.Check, false), "probe": r.probe(&i.Probe, false)})
	} else {
		r.absolute(&i.Link)(e.node)
	}
	return i
}

func (r *reader) instancesFrom(to **InstancesFrom) take {
	return func(n node) {
		from := &InstancesFrom{}
		*to = from
		if r.isMapping(n) {
			r.mapping(n, keys{"pattern": r.absolute(&from.Pattern), "except": r.list(&from.Except, r.text)})
		} else {
			r.absolute(&from.Pattern)(n)
		}
	}
}

func (r *reader) check(to **Check, forAll bool) take {
	return func(n node) {
		check := &Check{Status: 200}
		if check.Off = r.isOff(n); check.Off {
			*to = check
			return
		}
		r.mapping(n, keys{
			"url":      r.url(&check.URL, forAll),
			"host":     r.host(&check.Host, forAll),
			"status":   r.integer(&check.Status, 100, 599),
			"contains": r.text(&check.Contains),
			"timeout":  r.duration(&check.Timeout, moment),
		})
		*to = check
	}
}

func (r *reader) probe(to **Probe, forAll bool) take {
	return func(n node) {
		probe := &Probe{}
		if probe.Off = r.isOff(n); !probe.Off {
			r.mapping(n, keys{"url": r.url(&probe.URL, forAll), "host": r.host(&probe.Host, forAll)})
		}
		*to = probe
	}
}

// isOff tells "off" from a mapping; YAML 1.1 read the bare word as false.
func (r *reader) isOff(n node) bool {
	switch yaml := r.resolve(n.yaml).(type) {
	case *ast.StringNode:
		return yaml.Value == "off"
	case *ast.BoolNode:
		return !yaml.Value
	}
	return false
}

// fill gives what depends on other keys its default.
func (c *Config) fill() {
	for i := range c.Apps {
		a := &c.Apps[i]
		if a.SharedDir == "" && a.Releases != "" {
			a.SharedDir = filepath.Join(filepath.Dir(a.Releases), "shared")
		}
		if a.Hooks.Timeout == 0 {
			a.Hooks.Timeout = c.Timeouts.Hook
		}
		if a.Check != nil && !a.Check.Off && a.Check.Timeout == 0 {
			a.Check.Timeout = c.Timeouts.Check
		}
		for j := range a.Instances {
			a.Instances[j].fill(a, c.Timeouts)
		}
	}
}

func (i *Instance) fill(a *App, t Timeouts) {
	if i.Check == nil && a.Check != nil {
		i.Check = a.Check.of(i.Name)
	}
	if i.Check != nil && !i.Check.Off && i.Check.Timeout == 0 {
		i.Check.Timeout = t.Check
	}
	switch {
	case i.Probe != nil:
	case a.Probe != nil:
		i.Probe = a.Probe.of(i.Name)
	default:
		i.Probe = i.Check.probe()
	}
}
