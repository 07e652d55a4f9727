package deploy

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"relink/deploy/release"
	"relink/deploy/rendezvous"
	"relink/internal/exit"
)

// others are hosts that say what they are told to say.
type others struct {
	barrier, verdict error
	cutOver          rendezvous.CutOver
}

func (o *others) Barrier(context.Context, release.Release) error { return o.barrier }

func (o *others) Verdict(_ context.Context, c rendezvous.CutOver) error {
	o.cutOver = c
	return o.verdict
}

// What other hosts say decides what serves here, and nothing ends well that nobody has
// said to be so.
func TestOthersDecide(t *testing.T) {
	away := errors.New("away")
	for name, c := range map[string]struct {
		others others
		exit   int
		live   bool
	}{
		"all are well":            {others{}, exit.Done, true},
		"one is not ready":        {others{barrier: rendezvous.ErrTakenBack}, exit.Failed, false},
		"one's checks fail":       {others{verdict: rendezvous.ErrTakenBack}, exit.RolledBack, false},
		"nobody says what it was": {others{verdict: away}, exit.Unverified, true},
	} {
		t.Run(name, func(t *testing.T) {
			app, places := tree(t)
			began := time.Now()
			report, err := runWith(t, app, &fakeCaches{}, func(_ *Options, d *Deps) { d.Others = &c.others })
			if exit.Status(err) != c.exit || err != nil && report.Error == nil {
				t.Errorf("exit %d: %v", exit.Status(err), err)
			}
			if c.exit == exit.Unverified && (!strings.Contains(err.Error(), "is live") || !errors.Is(err, away)) {
				t.Error(err)
			}
			if c.live {
				to := filepath.Join(app.Releases, report.Release)
				wantLinks(t, places, to, filepath.Join("../../rel", report.Release), to)
			} else {
				wantLinks(t, places, filepath.Join(app.Releases, "v1"), "../../rel/v1", "")
			}
			if at := c.others.cutOver.At; c.others.barrier == nil && (at.Before(began) || at.After(time.Now())) {
				t.Errorf("cut over at %s", at)
			}
		})
	}
}

// A full server's visitors do not wait for as many sites to be asked as there would be otherwise.
func TestAtOnce(t *testing.T) {
	for most, few := range map[int]int{1: 1, 2: 1, 4: 1, 8: 2} {
		if got := (&run{}).atOnce(most); got != most {
			t.Errorf("%d at once, want %d", got, most)
		}
		if got := (&run{crowded: true}).atOnce(most); got != few {
			t.Errorf("%d at once on a full server, want %d", got, few)
		}
	}
}
