package config

import "path/filepath"

// owner is the instance that has a link.
type owner struct{ app, instance, key string }

func (o owner) String() string { return o.app + "/" + o.instance }

// links refuses links that would replace one another, or a folder that relink
// or a release needs.
func (v *validator) links() {
	owners := map[string]owner{}
	v.eachLink(func(o owner, link string) {
		if other, ok := owners[link]; ok {
			v.wrong(o.key, "%s is the link of %s already", link, other)
			return
		}
		owners[link] = o
		v.apart(o, link)
	})
	v.eachLink(func(o owner, link string) {
		for up := filepath.Dir(link); up != "/"; up = filepath.Dir(up) {
			if other, ok := owners[up]; ok {
				v.wrong(o.key, "%s lies behind the link of %s, inside a release", link, other)
			}
		}
	})
}

func (v *validator) eachLink(visit func(owner, string)) {
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
				visit(owner{a.Name, i.Name, key}, i.Link)
			} else if !v.reportedBelow(key) {
				v.required(key, "link")
			}
		}
	}
}

func (v *validator) apart(o owner, link string) {
	for _, a := range v.Apps {
		if a.Releases != "" && within(link, a.Releases) {
			v.wrong(o.key, "%s lies in the releases folder of %s", link, a.Name)
			return
		}
	}
	for _, needed := range v.needed() {
		if within(needed.path, link) {
			v.wrong(o.key, "%s would replace the folder that holds %s, %s", link, needed.what, needed.path)
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
