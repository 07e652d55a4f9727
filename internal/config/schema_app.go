package config

import (
	"cmp"
	"path/filepath"
	"slices"
)

// sourceKinds are the keys of which a source has one.
var sourceKinds = []struct {
	name  string
	parse func(string) (string, error)
}{{"archive", withRef}, {"dir", withRef}, {"git", repository}}

// SourceKinds lists the kinds of source, sorted.
func SourceKinds() (kinds []string) {
	for _, kind := range sourceKinds {
		kinds = append(kinds, kind.name)
	}
	return kinds
}

func (s *Source) schema(known fields) value {
	for i, kind := range sourceKinds {
		location := of(&s.Location, asLine(kind.parse), func(text string) any {
			if s.Kind != kind.name {
				return nil
			}
			return text
		})
		read := location.read
		location.read = func(r *reader, n node) {
			s.Kind = kind.name
			read(r, n)
		}
		known = slices.Insert(known, i, field{kind.name, location})
	}
	return section(known)
}

// schema is "name: /link" or "name: {link: /link, check: ...}".
func (i *Instance) schema(known fields) value {
	v := orText(known[0].value, section(known))
	whole := v.show
	v.show = func() any {
		switch {
		case i.Found:
			return nil
		case i.Check == nil && i.Probe == Probe{}:
			return i.Link
		}
		return whole()
	}
	return v
}

func (f *InstancesFrom) schema(known fields) value { return orText(known[0].value, section(known)) }

func (c *Check) schema(known fields) value { return orOff(&c.Off, section(known)) }

func (p *Probe) schema(known fields) value { return orOff(&p.Off, section(known)) }

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
