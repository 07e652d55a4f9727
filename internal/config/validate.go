package config

import (
	"slices"
	"strings"
)

// validator checks what concerns more than one key. A value that could not be
// read is empty here and has been reported.
type validator struct {
	*file
	*Config
	checkNames []string // none: any
}

func (v *validator) all() {
	v.pools()
	for i := range v.Apps {
		v.app(&v.Apps[i])
	}
	v.names("apps", v.appNames())
	v.folders()
	v.links()
	v.health()
	v.serve()
	v.fleet()
}

func (v *validator) pools() {
	seen := map[string]string{}
	for i, pool := range v.Pools {
		key := item("pools", i)
		v.required(key, "address")
		if other := seen[pool.Address]; other != "" && pool.Address != "" {
			v.wrong(key+".address", "%s is listed twice: %s has it already", pool.Address, other)
		}
		seen[pool.Address] = key
		v.pathMap(key+".path_map", pool.PathMap)
	}
}

func (v *validator) pathMap(key string, mappings []PathMapping) {
	seen := map[string]bool{}
	for i, mapping := range mappings {
		v.required(item(key, i), "host")
		v.required(item(key, i), "pool")
		if seen[mapping.Host] && mapping.Host != "" {
			v.wrong(item(key, i)+".host", "%s is mapped twice", mapping.Host)
		}
		seen[mapping.Host] = true
	}
}

func (v *validator) app(a *App) {
	key := child("apps", a.Name)
	v.required(key, "releases")
	v.source(key, a.Source)
	if v.missing(key+".instances") && v.missing(key+".instances_from") {
		v.wrong(key, `needs "instances" (or "instances_from"): the links that point at its releases`)
	} else if len(a.Instances) == 0 && v.given(key+".instances") && a.InstancesFrom == nil && !v.reportedBelow(key+".instances") {
		v.wrong(key+".instances", "is empty: an application needs an instance")
	}
	if a.InstancesFrom != nil && v.given(key+".instances_from") && !v.reportedBelow(key+".instances_from") && a.InstancesFrom.Pattern == "" {
		v.required(key+".instances_from", "pattern")
	}
	v.names(key+".instances", a.instanceNames())
	v.asked(key, a.Check, a.Probe)
	for _, i := range a.Instances {
		v.asked(child(key+".instances", i.Name), i.Check, i.Probe)
	}
	v.shared(key, a)
	v.assets(key, a)
	v.served(key, a.Pools)
}

func (v *validator) source(key string, s Source) {
	given := 0
	for _, kind := range SourceKinds() {
		if v.given(key + ".source." + kind) {
			given++
		}
	}
	switch {
	case v.missing(key + ".source"):
		v.wrong(key, `needs "source": where releases come from`)
	case given != 1 && v.given(key+".source") && !v.reportedBelow(key+".source"):
		v.wrong(key+".source", "needs exactly one of git, dir and archive")
	case s.Submodules && s.Kind != "git":
		v.wrong(key+".source.submodules", "belongs to a git source only")
	}
}

// asked looks only at what the file gives there: an instance has the application's, too.
func (v *validator) asked(key string, c *Check, p Probe) {
	if v.given(key+".check") && c != nil && !c.Off {
		v.required(key+".check", "url")
	}
	if v.given(key+".probe") && !p.Off {
		v.required(key+".probe", "url")
	}
}

func (v *validator) served(key string, addresses []string) {
	known := namesOf(v.Pools, func(p Pool) string { return p.Address })
	for i, address := range addresses {
		switch at := item(key+".pools", i); {
		case address == "":
		case slices.Contains(addresses[:i], address):
			v.wrong(at, "%s is listed twice", address)
		case len(known) > 0 && !slices.Contains(known, address):
			v.wrong(at, `%s is not one of "pools"%s`, address, didYouMean(address, known))
		}
	}
}

func (v *validator) required(key, name string) {
	if v.missing(key+"."+name) && !slices.ContainsFunc(v.problems, func(p *Problem) bool { return p.Key == key }) {
		v.wrong(key, "needs %q", name)
	}
}

// names refuses those that a person reads as the same.
func (v *validator) names(key string, all []string) {
	seen := map[string]string{}
	for _, name := range all {
		folded := strings.ToLower(name)
		if other, ok := seen[folded]; ok {
			v.wrong(child(key, name), "differs from %q only in upper and lower case", other)
		}
		seen[folded] = name
	}
}

func (v *validator) reportedBelow(key string) bool {
	return slices.ContainsFunc(v.problems, func(p *Problem) bool {
		return p.Key == key || strings.HasPrefix(p.Key, key+".") || strings.HasPrefix(p.Key, key+"[")
	})
}

func namesOf[T any](all []T, name func(T) string) []string {
	list := make([]string, len(all))
	for i := range all {
		list[i] = name(all[i])
	}
	return list
}
