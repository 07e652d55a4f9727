package apps

import (
	"cmp"
	"slices"
	"strings"

	"relink/deploy/moves"
	"relink/internal/config"
	"relink/internal/ui"
)

// Serving is a release and the instances whose links lead to it.
type Serving struct {
	Release   string   `json:"release"`   // "" where there is no link
	Instances []string `json:"instances"` // by their names
}

// ReadServing reads where each instance's link leads now, the largest group first.
// A link that cannot be read counts as none.
func ReadServing(instances []config.Instance, releases string) []Serving {
	groups := map[string][]string{}
	for i, now := range moves.TargetsOf(ReadLinks(instances), releases) {
		groups[now.Release] = append(groups[now.Release], instances[i].Name)
	}
	var all []Serving
	for release, names := range groups {
		all = append(all, Serving{Release: release, Instances: names})
	}
	slices.SortFunc(all, func(a, b Serving) int {
		return cmp.Or(cmp.Compare(len(b.Instances), len(a.Instances)), cmp.Compare(a.Release, b.Release))
	})
	return all
}

// servingNames is how many instances of one of the smaller groups are named: they are the
// exception that somebody will look for.
const servingNames = 8

// DescribeServing is one sentence: "28 instances on v1, 2 on v2: club1, club2".
func DescribeServing(all []Serving) string {
	if len(all) == 0 {
		return "no instances"
	}
	largest := ui.Plural(len(all[0].Instances), "instance") + all[0].where()
	if len(all) == 1 {
		return largest
	}
	var others []string
	for _, group := range all[1:] {
		others = append(others, ui.Count(len(group.Instances))+group.where()+": "+ui.First(servingNames, group.Instances))
	}
	return largest + ", " + strings.Join(others, "; ")
}

func (s Serving) where() string {
	if s.Release == "" {
		return " without a link"
	}
	return " on " + s.Release
}
