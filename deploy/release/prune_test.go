package release

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// releases takes "v1 v2! v3?": ! is bad, ? is foreign; each is newer than the one before.
func releases(text string) []Release {
	var all []Release
	for n, word := range strings.Fields(text) {
		id := strings.TrimRight(word, "!?")
		r := Release{Manifest: Manifest{ID: id, Created: time.Unix(int64(1000+n), 0)}, Sealed: !strings.HasSuffix(word, "?")}
		if strings.HasSuffix(word, "!") {
			r.Bad = &BadMark{}
		}
		all = append(all, r)
	}
	return all
}

func set(text string) map[string]bool {
	m := map[string]bool{}
	for _, word := range strings.Fields(text) {
		m[word] = true
	}
	return m
}

func TestPrunable(t *testing.T) {
	for name, test := range map[string]struct {
		releases, live, inUse, wayBack string
		keep                           int
		want                           string
	}{
		"none":                               {"", "", "", "", 3, ""},
		"keep is besides the live":           {"v1 v2 v3 v4", "v4", "", "", 2, "v1"},
		"keep 0 leaves what is live":         {"v1 v2 v3 v4", "v2", "", "", 0, "v1 v3 v4"},
		"a live one may be the oldest":       {"v1 v2 v3 v4", "v1", "", "", 1, "v2 v3"},
		"several are live":                   {"v1 v2 v3 v4", "v1 v3", "", "", 1, "v2"},
		"in use stays":                       {"v1 v2 v3 v4", "v4", "v1", "", 1, "v2"},
		"in use counts among the kept":       {"v1 v2 v3 v4", "v4", "v3", "", 1, "v1 v2"},
		"bad goes first and does not count":  {"v1 v2! v3 v4! v5", "v5", "", "", 1, "v2 v4 v1"},
		"bad and live stays":                 {"v1 v2! v3", "v2", "", "", 5, ""},
		"bad and in use stays":               {"v1! v2! v3", "v3", "v1", "", 5, "v2"},
		"foreign stays":                      {"v1? v2 v3? v4", "v4", "", "", 0, "v2"},
		"more to keep than there is":         {"v1 v2", "", "", "", 9, ""},
		"less than nothing to keep is none":  {"v1 v2", "v2", "", "", -1, "v1"},
		"the way back stays":                 {"v1 v2 v3 v4", "v4", "", "v1 v3", 1, "v2"},
		"a bad way back goes":                {"v1! v2 v3", "v3", "", "v1", 1, "v1"},
		"nothing is live, as before a first": {"v1 v2 v3", "", "", "", 1, "v1 v2"},
	} {
		var got []string
		given := releases(test.releases)
		for _, r := range Prunable(given, set(test.live), set(test.inUse), set(test.wayBack), test.keep) {
			got = append(got, r.ID)
		}
		if diff := cmp.Diff(test.want, strings.Join(got, " ")); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if diff := cmp.Diff(releases(test.releases), given); diff != "" {
			t.Errorf("%s: the list was changed: %s", name, diff)
		}
	}
}
