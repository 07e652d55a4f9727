package health

import (
	"os"
	"strings"
	"testing"

	"relink/opcache"
)

// opcache.revalidate_path is for links: with real paths it is of no use.
func TestRevalidatePath(t *testing.T) {
	for name, c := range map[string]struct {
		fronts []Front
		pools  []string
		want   State
		text   string
	}{
		"not asked":     {nil, nil, OK, "is the sweep alone"},
		"through links": {[]Front{{SetUp: opcache.Resolved}, {SetUp: opcache.Revalidated}}, nil, OK, "is the sweep alone"},
		"one is hidden": {[]Front{{SetUp: opcache.Resolved}, {Err: os.ErrDeadlineExceeded}}, nil, OK, "is the sweep alone"},
		"real paths":    {[]Front{{SetUp: opcache.Resolved}, {SetUp: opcache.Resolved}}, nil, Warning, "though the web server sends real paths"},
		"by another":    {[]Front{{SetUp: opcache.Resolved}}, []string{"unix:/b.sock"}, OK, "is the sweep alone"},
	} {
		t.Run(name, func(t *testing.T) {
			f := facts()
			f.Masters[0].Configuration.RevalidatePath = true
			f.Apps[0].Fronts, f.Apps[0].Pools = c.fronts, c.pools
			for _, r := range Evaluate(f, limits(t)) {
				if r.Check == "revalidate-path" && (r.State != c.want || !strings.Contains(r.Message, c.text)) {
					t.Errorf("%s: %s", r.State, r.Message)
				}
			}
		})
	}
}
