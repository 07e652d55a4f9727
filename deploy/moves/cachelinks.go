package moves

import (
	"maps"
	"slices"

	"relink/internal/links"
	"relink/opcache"
)

// CacheLinks is what the caches have to be told of a plan: the links that move,
// and those moves of earlier deploys that are not settled, because a worker that
// was busy then may still bring the release of that time back.
func CacheLinks(plan, unsettled Plan) []opcache.Link {
	var followed []opcache.Link
	known := map[opcache.Link]bool{}
	for _, move := range StillUnsettled(plan, unsettled.leaving()) {
		link := opcache.Link{Name: move.Instance, Path: move.Link, From: move.From.Real, To: move.To.Real}
		if !known[link] {
			known[link] = true
			followed = append(followed, link)
		}
	}
	return followed
}

// InReleases completes links with the releases that they lead into, and tells
// which old ones others stay on.
func InReleases(all []opcache.Link, use links.InUse) []opcache.Link {
	after, look := links.InUse{Links: maps.Clone(use.Links), Others: use.Others}, links.NewLook()
	for _, link := range all {
		after.Links[look.Place(link.Path)] = link.To
	}
	out, served := slices.Clone(all), map[string]bool{}
	for i, link := range all {
		out[i].FromRelease, out[i].ToRelease = links.Folder(link.From, use.Releases), links.Folder(link.To, use.Releases)
		out[i].OfOthers = slices.ContainsFunc(use.Others, func(other string) bool { return links.Within(other, out[i].FromRelease) })
		if _, asked := served[out[i].FromRelease]; !asked {
			served[out[i].FromRelease] = after.Serves(out[i].FromRelease)
		}
		out[i].Shared = link.From != "" && served[out[i].FromRelease]
	}
	return out
}

// StillUnsettled is what has to be remembered of two generations of moves.
func StillUnsettled(plan, unsettled Plan) Plan {
	left := plan.Needed()
	now, known := map[string]Target{}, map[Move]bool{}
	for _, move := range plan {
		now[move.Place] = move.To
	}
	for _, move := range left {
		known[move] = true
	}
	for _, move := range unsettled {
		if to, moved := now[move.Place]; moved {
			move.To = to
		}
		if move.Needed() && !known[move] {
			known[move] = true
			left = append(left, move)
		}
	}
	return left
}

// NeverSettled are the moves that no cache has been told of: OPcache may serve what
// the links have left until it is restarted, or until a recovery or another deploy
// settles them.
func NeverSettled(needed, unsettled Plan) Plan {
	return StillUnsettled(needed, unsettled).leaving()
}

// leaving are the moves of links that led somewhere.
func (p Plan) leaving() Plan {
	return slices.DeleteFunc(slices.Clone(p), func(m Move) bool { return !m.From.Exists() })
}
