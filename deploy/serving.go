package deploy

import (
	"fmt"
	"slices"
	"strings"

	"relink/deploy/moves"
	"relink/internal/links"
)

// Serving is a release and the instances whose links lead to it.
type Serving struct {
	Release   string   `json:"release"` // "" where there is no link
	Instances []string `json:"instances"`
}

// serving reads where each instance's link leads now, the largest group first.
// A link that cannot be read counts as none.
func serving(instances []Instance, releases string) []Serving {
	groups := map[string][]string{}
	for _, instance := range instances {
		release := moves.TargetOf(links.Read(instance.Link), releases).Release
		groups[release] = append(groups[release], instance.Name)
	}
	var all []Serving
	for release, names := range groups {
		all = append(all, Serving{Release: release, Instances: names})
	}
	slices.SortFunc(all, func(a, b Serving) int {
		if len(a.Instances) != len(b.Instances) {
			return len(b.Instances) - len(a.Instances)
		}
		return strings.Compare(a.Release, b.Release)
	})
	return all
}

const servingNames = 8 // of a group's instances that are named

// describeServing is one sentence: "28 instances on v1, 2 on v2: club1, club2".
func describeServing(all []Serving) string {
	if len(all) == 0 {
		return "no instances"
	}
	text := describeGroup(all[0], true)
	for i, group := range all[1:] {
		text += [...]string{", ", "; "}[min(i, 1)] + describeGroup(group, false)
	}
	return text
}

// describeGroup names the instances of the smaller groups: they are the
// exception that somebody will look for.
func describeGroup(group Serving, first bool) string {
	count, where := fmt.Sprint(len(group.Instances)), " on "+group.Release
	if group.Release == "" {
		where = " without a link"
	}
	if first {
		return count + plural(len(group.Instances), " instance", " instances") + where
	}
	names := group.Instances
	if len(names) > servingNames {
		names = append(slices.Clone(names[:servingNames]), fmt.Sprintf("and %d more", len(names)-servingNames))
	}
	return count + where + ": " + strings.Join(names, ", ")
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}
