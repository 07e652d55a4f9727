package config

import (
	"cmp"
	"path/filepath"
)

func (a *App) value() value {
	return section(fields{
		{"source", section(a.Source.fields())},
		{"releases", lineText(&a.Releases, "", absolute)},
		{"keep", integer(&a.Keep, 3, 0, 1000)},
		{"min_free", size(&a.MinFree, 100<<20)},
		{"link_target", lineText(&a.LinkTarget, ".", relative)},
		{"docroot", lineText(&a.Docroot, ".", relative)},
		{"instances", named(&a.Instances, "an instance", func(i *Instance) *string { return &i.Name }, (*Instance).value)},
		{"instances_from", optional(&a.InstancesFrom, (*InstancesFrom).value)},
		{"check", optional(&a.Check, func(c *Check) value { return c.value(true) })},
		{"probe", a.Probe.value(true)},
		{"map", lineText(&a.Map, "", absolute)},
		{"shared", listOf(&a.Shared, readLine(relativeEntry))},
		{"shared_dir", lineText(&a.SharedDir, "", absolute)},
		{"assets", listOf(&a.Assets, readLine(relative))},
		{"hooks", section(fields{
			{"build", listOf(&a.Hooks.Build, readText)},
			{"before_switch", listOf(&a.Hooks.BeforeSwitch, readText)},
			{"after_switch", listOf(&a.Hooks.AfterSwitch, readText)},
			{"timeout", duration(&a.Hooks.Timeout, 0, moment)},
		})},
		{"pools", listOf(&a.Pools, readLine(poolAddress))},
	})
}

// sourceKinds are the keys of which a source has one.
var sourceKinds = []struct {
	name  string
	parse func(string) (string, error)
}{{"archive", template}, {"dir", template}, {"git", repository}}

// SourceKinds lists the kinds of source, sorted.
func SourceKinds() (kinds []string) {
	for _, kind := range sourceKinds {
		kinds = append(kinds, kind.name)
	}
	return kinds
}

func (s *Source) fields() fields {
	var all fields
	for _, kind := range sourceKinds {
		location := lineText(&s.Location, "", kind.parse)
		read := location.read
		location.read = func(r *reader, n node) {
			s.Kind = kind.name
			read(r, n)
		}
		location.show = func() any {
			if s.Kind != kind.name {
				return nil
			}
			return s.Location
		}
		all = append(all, field{kind.name, location})
	}
	return append(all, field{"submodules", flag(&s.Submodules)})
}

// value is "name: /link" or "name: {link: /link, check: ...}".
func (i *Instance) value() value {
	link := lineText(&i.Link, "", absolute)
	whole := section(fields{
		{"link", link},
		{"check", optional(&i.Check, func(c *Check) value { return c.value(false) })},
		{"probe", i.Probe.value(false)},
	})
	v := orText(link, whole)
	v.show = func() any {
		switch {
		case i.Found:
			return nil
		case i.Check == nil && i.Probe == Probe{}:
			return i.Link
		}
		return whole.show()
	}
	return v
}

func (f *InstancesFrom) value() value {
	all := lineText(&f.Pattern, "", absolute)
	return orText(all, section(fields{{"pattern", all}, {"except", listOf(&f.Except, readText)}}))
}

func (c *Check) value(forAll bool) value {
	return orOff(&c.Off, section(fields{
		{"url", lineText(&c.URL, "", webURL(forAll))},
		{"host", lineText(&c.Host, "", hostHeader(forAll))},
		{"status", integer(&c.Status, 200, 100, 599)},
		{"contains", of(&c.Contains, "", readText, asIs)},
		{"timeout", duration(&c.Timeout, 0, moment)},
	}))
}

func (p *Probe) value(forAll bool) value {
	return orOff(&p.Off, section(fields{{"url", lineText(&p.URL, "", webURL(forAll))}, {"host", lineText(&p.Host, "", hostHeader(forAll))}}))
}

// fill gives what depends on other keys its default.
func (c *Config) fill() {
	for i := range c.Apps {
		a := &c.Apps[i]
		if a.SharedDir == "" && a.Releases != "" {
			a.SharedDir = filepath.Join(filepath.Dir(a.Releases), "shared")
		}
		a.Hooks.Timeout = cmp.Or(a.Hooks.Timeout, c.Timeouts.Hook)
		a.Check.fill(c.Timeouts)
		for j := range a.Instances {
			a.Instances[j].fill(a, c.Timeouts)
		}
	}
}

func (c *Check) fill(t Timeouts) {
	if c != nil && !c.Off {
		c.Timeout = cmp.Or(c.Timeout, t.Check)
	}
}

func (i *Instance) fill(a *App, t Timeouts) {
	if i.Check == nil && a.Check != nil {
		i.Check = a.Check.of(i.Name)
	}
	i.Check.fill(t)
	switch {
	case i.Probe != Probe{}:
	case a.Probe != Probe{}:
		i.Probe = a.Probe.of(i.Name)
	default:
		i.Probe = i.Check.probe()
	}
}
