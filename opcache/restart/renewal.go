package restart

import (
	"errors"
	"fmt"
	"slices"

	"relink/internal/ui"
)

// ErrOnePreload: PHP preloads one release only, and the sites would be on several.
var ErrOnePreload = errors.New("PHP can preload one release only")

// EndWorkers has the workers of a cache end with the request that they are in;
// the cache stays as it is.
const EndWorkers Action = "workers"

// The figures of what has to be renewed with a switch.
const (
	FigurePreloadMoves = "preload_moves" // what opcache.preload loads is of the release that is left
	FigureUserINI      = "user_ini"      // a .user.ini that workers remember changes
	FigureSettings     = "fpm_settings"  // what FPM's configuration includes from a release changes
)

// Needs is what a switch does to one FPM master that neither the sweep nor an
// invalidation undoes.
type Needs struct {
	Preload Preloading
	UserINI []string // files of the document roots that workers remember and that change, for people
	Apache  bool     // the cache is part of Apache (mod_php), which has no .user.ini
	MayEnd  error    // why its workers cannot be ended one by one; nil: they can

	Settings bool // FPM's configuration includes files through links, and they change
}

// Renewal is what one FPM master has to do with the switch.
type Renewal struct {
	Order          // the reload that comes with the switch
	Notes []string // what nobody could try
}

// Decide tells which processes have to be renewed with the switch. Functions and
// classes that were preloaded of the old release collide with the new one's from
// the first new page on, and only a reload of the master replaces them. What a
// worker remembers of .user.ini (for user_ini.cache_ttl, by literal folder;
// fpm_main.c, php_cgi_ini_activate_user_config) goes with the worker.
func (n Needs) Decide() (Decision, error) {
	d := Decision{Action: None}
	if n.Preload.changes() {
		if err := n.Preload.conflict(); err != nil {
			return d, err
		}
		d.Action, d.Reasons = MethodFPM.Action(true, n.Apache), append(d.Reasons, Reason{Figure: FigurePreloadMoves, Value: 1, Crossed: true, Text: n.Preload.text()})
	}
	if n.Settings {
		d.Action, d.Reasons = ReloadFPM, append(d.Reasons, Reason{Figure: FigureSettings, Value: 1, Crossed: true,
			Text: "FPM's configuration includes settings of the release, and they change"})
	}
	if len(n.UserINI) == 0 {
		return d, nil
	}
	why := Reason{Figure: FigureUserINI, Value: float64(len(n.UserINI)), Crossed: true,
		Text: fmt.Sprintf("%s of the document root changes, which workers remember: %s", ui.Plural(len(n.UserINI), "file"), ui.FirstFew(n.UserINI))}
	switch {
	case d.Action == ReloadFPM:
	case n.MayEnd == nil:
		d.Action = EndWorkers
	default:
		d.Action, why.Text = ReloadFPM, why.Text+"; they cannot be ended one by one: "+n.MayEnd.Error()
	}
	d.Reasons = append(d.Reasons, why)
	return d, nil
}

// Reloads tells a restart that starts new processes.
func (d Decision) Reloads() bool { return d.Action == ReloadFPM || d.Action == ReloadApache }

// Renews tells a restart that has to come with the switch, whatever room there is.
func (d Decision) Renews() bool {
	return d.Reloads() && d.because(FigureUserINI, FigurePreloadMoves, FigureSettings)
}

func (d Decision) because(figures ...string) bool {
	return slices.ContainsFunc(d.Reasons, func(r Reason) bool { return slices.Contains(figures, r.Figure) })
}
