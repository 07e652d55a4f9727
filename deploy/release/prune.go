package release

import "slices"

// Prunable chooses what may be removed, in the order to remove it: first the bad
// releases and those whose content a later one repeats, then good ones, oldest
// first in each. It never chooses a release that is live or in use, by id, nor
// one that relink did not make. Of the good ones that are not live the newest
// keep stay.
func Prunable(releases []Release, live, inUse map[string]bool, keep int) []Release {
	var bad, good []Release
	repeated := map[string]bool{}
	for _, r := range releases {
		repeated[r.Repeats] = repeated[r.Repeats] || r.Bad == nil
	}
	for _, r := range releases {
		switch {
		case !r.Sealed || live[r.ID]:
		case r.Bad != nil || repeated[r.ID]:
			bad = append(bad, r)
		default:
			good = append(good, r)
		}
	}
	slices.SortFunc(good, newestFirst)
	slices.SortFunc(bad, newestFirst)
	good = good[min(max(keep, 0), len(good)):]
	slices.Reverse(good)
	slices.Reverse(bad)
	return slices.DeleteFunc(append(bad, good...), func(r Release) bool { return inUse[r.ID] })
}
