package moves

import (
	"testing"

	"relink/internal/links"
	"relink/opcache"

	"github.com/google/go-cmp/cmp"
)

func TestWhatWasNotSettledIsWatchedAgain(t *testing.T) {
	unsettled := Plan{moveFrom("a", "v1", "v2"), moveFrom("b", "v1", "v2"), moveFrom("c", "v3", "v2")}
	plan := Plan{moveFrom("a", "v2", "v3"), moveFrom("b", "v2", "v1"), moveFrom("d", "v2", "v2")}
	link := func(name, from, to string) opcache.Link {
		return opcache.Link{Name: name, Path: "/www/" + name, From: "/rel/" + from, To: "/rel/" + to}
	}
	want := []opcache.Link{
		link("a", "v2", "v3"), link("b", "v2", "v1"), // what moves now; d does not
		link("a", "v1", "v3"), // was not settled, and leads elsewhere by now
		link("c", "v3", "v2"), // was not settled, and stays; b is back where it was
	}
	if diff := cmp.Diff(want, CacheLinks(plan, unsettled)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(Plan{plan[0], plan[1], moveFrom("a", "v1", "v3"), unsettled[2]}, StillUnsettled(plan, unsettled)); diff != "" {
		t.Error(diff)
	}
}

func TestAFirstDeployIsWatchedToo(t *testing.T) {
	got := CacheLinks(Plan{moveFrom("a", "", "v1")}, nil)
	if diff := cmp.Diff([]opcache.Link{{Name: "a", Path: "/www/a", To: "/rel/v1"}}, got); diff != "" {
		t.Error(diff)
	}
}

// The owner of a link may lead it to a folder above the releases of others: what they
// have in the cache stays theirs.
func TestOthersKeepTheirCacheWhereverALinkHasLed(t *testing.T) {
	use := links.InUse{Releases: "/rel", Links: map[string]string{}, Others: []string{"/srv/shop/releases"}}
	for from, shared := range map[string]bool{"/": true, "/srv": true, "/srv/shop/releases": true, "/srv/shop/releases/v1": true, "/srv/sho": false, "/rel/v1": false} {
		got := InReleases([]opcache.Link{{Name: "a", Path: "/nowhere/a", From: from, To: "/rel/v2"}}, use)
		cut := opcache.Switch{Links: got}
		if above := links.Within("/srv/shop/releases", from); (len(cut.OldReleases()) == 0) != above {
			t.Errorf("%s: what is invalidated: %v", from, cut.OldReleases())
		}
		if got[0].Shared != shared || use.Serves(from) != shared {
			t.Errorf("%s: %+v", from, got[0])
		}
	}
}

func moveFrom(instance, from, to string) Move {
	target := func(release string) Target {
		if release == "" {
			return Target{}
		}
		return Target{Release: release, Literal: "/rel/" + release, Real: "/rel/" + release}
	}
	return Move{Instance: instance, Link: "/www/" + instance, Place: "/www/" + instance, From: target(from), To: target(to)}
}
