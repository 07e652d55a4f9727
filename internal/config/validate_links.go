package config

import (
	"path/filepath"

	"relink/internal/links"
)

// owner is the instance that has a link.
type owner struct{ app, instance, link, key string }

func (o owner) String() string { return o.app + "/" + o.instance }

// links refuses links that would replace one another, or a folder that relink
// or a release needs.
func (v *validator) links() {
	owners, all := map[string]owner{}, v.owners()
	for _, o := range all {
		if other, ok := owners[o.link]; ok {
			v.wrong(o.key, "%s is the link of %s already", o.link, other)
			continue
		}
		owners[o.link] = o
		v.apart(o)
	}
	for _, o := range all {
		for up := filepath.Dir(o.link); up != "/"; up = filepath.Dir(up) {
			if other, ok := owners[up]; ok {
				v.wrong(o.key, "%s lies behind the link of %s, inside a release", o.link, other)
			}
		}
	}
}

func (v *validator) owners() (all []owner) {
	for _, a := range v.Apps {
		around := child("apps", a.Name)
		for _, i := range a.Instances {
			key := child(around+".instances", i.Name)
			switch {
			case i.Found:
				key = around + ".instances_from"
			case v.given(key + ".link"):
				key += ".link"
			}
			if i.Link != "" {
				all = append(all, owner{a.Name, i.Name, i.Link, key})
			} else if !v.reportedBelow(key) {
				v.required(key, "link")
			}
		}
	}
	return all
}

func (v *validator) apart(o owner) {
	for _, a := range v.Apps {
		if a.Releases != "" && links.Within(o.link, a.Releases) {
			v.wrong(o.key, "%s lies in the releases folder of %s", o.link, a.Name)
			return
		}
	}
	for _, needed := range v.needed() {
		if links.Within(needed.path, o.link) {
			v.wrong(o.key, "%s would replace the folder that holds %s, %s", o.link, needed.what, needed.path)
			return
		}
	}
}

type neededFolder struct{ what, path string }

func (v *validator) needed() []neededFolder {
	list := []neededFolder{{"relink's state", v.StateDir}, {"the agent", v.Apache.AgentDir}}
	for _, pool := range v.Pools {
		list = append(list, neededFolder{"the agent", pool.AgentDir})
	}
	for _, a := range v.Apps {
		if a.Releases != "" {
			list = append(list, neededFolder{"the releases of " + a.Name, a.Releases}, neededFolder{"what " + a.Name + " shares", a.SharedDir})
		}
	}
	return list
}
