package release

import "slices"

// Prunable chooses what may be removed, in the order to remove it: first the bad
// releases and those whose content another has, then good ones, oldest
// first in each. It never chooses a release that is live or in use, by id, nor
// the way back of an instance, by content, nor one that relink did not make. Of the
// good ones that are not live the newest keep stay.
func Prunable(releases []Release, live, inUse, wayBack map[string]bool, keep int) []Release {
	var bad, good []Release
	sorted := slices.SortedFunc(slices.Values(releases), newestFirst)
	kept := keepers(sorted, live)
	for _, r := range sorted {
		switch {
		case !r.Sealed || live[r.ID]:
		case r.Bad != nil || kept[r.Content()] != r.ID:
			bad = append(bad, r)
		default:
			good = append(good, r)
		}
	}
	good = good[min(max(keep, 0), len(good)):]
	slices.Reverse(good)
	slices.Reverse(bad)
	return slices.DeleteFunc(append(bad, good...), func(r Release) bool {
		return inUse[r.ID] || wayBack[r.Content()] && kept[r.Content()] == r.ID
	})
}

// keepers names, for each content, the release that stands for it: a live one, or
// else the newest good one.
func keepers(sorted []Release, live map[string]bool) map[string]string {
	kept := map[string]string{}
	for _, wanted := range []func(Release) bool{
		func(r Release) bool { return live[r.ID] },
		func(r Release) bool { return r.Sealed && r.Bad == nil },
	} {
		for _, r := range sorted {
			if wanted(r) && kept[r.Content()] == "" {
				kept[r.Content()] = r.ID
			}
		}
	}
	return kept
}
