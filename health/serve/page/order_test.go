package page

import (
	"testing"
	"time"

	"relink/internal/browsertest"
)

// A group that comes takes its place among those that stay.
func TestPageKeepsTheOrder(t *testing.T) {
	const spread = `[...document.querySelectorAll('#apps summary')].map(e => e.querySelector('.release').textContent + ' ' + e.querySelector('strong').textContent).join(', ')`
	s := Snapshot{Time: noon}
	feed := feedOf(t, s)
	b := open(t, feed, browsertest.Setup{})
	for _, c := range []struct{ releases, want string }{
		{"22", "2 2 of 2"}, {"12", "2 1 of 2, 1 1 of 2"}, {"33", "3 2 of 2"}, {"35", "5 1 of 2, 3 1 of 2"}, {"34", "4 1 of 2, 3 1 of 2"}, {"4 ", "4 1 of 2, leading nowhere 1 of 2"},
	} {
		app := App{Name: "a", Instances: []Instance{{Name: "1", Release: c.releases[:1]}, {Name: "2", Release: c.releases[1:]}}}
		if c.releases[1] == ' ' {
			app.Instances[1].Release = ""
		}
		s.Time, s.Apps = s.Time.Add(time.Second), []App{app}
		feed.Publish(s)
		b.Until(spread, c.want)
	}
	b.WantQuiet()
}
