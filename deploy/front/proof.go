package front

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"relink/deploy/apps"
	"relink/deploy/moves"
	"relink/deploy/outcome"
	"relink/internal/hint"
	"relink/internal/links"
	"relink/internal/ui"
	"relink/opcache"
	"relink/php/probe"
)

// ErrFrontDoor: what visitors get is not what the links say.
var ErrFrontDoor = errors.New("the front door shows something else")

// Switched is what each site has to show after a switch.
type Switched struct {
	App        apps.App
	Release    string                // that the switch was about
	Moves      map[string]moves.Move // by instance
	States     []links.State         // of the links before
	Before     []probe.Heard         // what the sites showed then
	Addressing opcache.Addressing
	Caches     interface { // nil: none has to follow
		Has(probe.Answer) bool
		ToHost(probe.Answer) string
	}
}

// Judge compares what each site answered with where its link leads.
func (w Switched) Judge(sights []probe.Heard) (fronts []outcome.Front, wrong []error) {
	on := ground{w.App.RealReleases(), map[string]string{}, links.NewLook()}
	for _, s := range sights {
		one, err := w.judge(s, on)
		if fronts = append(fronts, one); err != nil {
			wrong = append(wrong, err)
		}
	}
	if more := len(wrong) - mostTold; more > 0 {
		wrong = append(wrong[:mostTold], fmt.Errorf("%w: and on %s more", ErrFrontDoor, ui.Plural(more, "instance")))
	}
	return fronts, wrong
}

// mostTold bounds how many instances a message is about: what is wrong with one is mostly
// wrong with all.
const mostTold = 5

// ground is what the sites have in common.
type ground struct {
	releases string            // the real folder of releases
	folders  map[string]string // real folders of releases, as far as somebody has asked
	look     *links.Look
}

func (g ground) folderOf(app apps.App, release string) string {
	folder, known := g.folders[release]
	if !known {
		folder = app.ReleaseDir(release)
		g.folders[release] = folder
	}
	return folder
}

func (w Switched) judge(s probe.Heard, on ground) (outcome.Front, error) {
	move := w.Moves[s.Door.Site]
	file, known := s.Answer.File, false
	if w.Caches != nil && s.Err == nil {
		file, known = w.Caches.ToHost(s.Answer), w.Caches.Has(s.Answer)
	}
	one := seen(s, file, func(real string) string { return on.look.Release(real, on.releases) })
	if s.Err != nil {
		return one, w.judgeHidden(s, move)
	}
	want := on.folderOf(w.App, move.To.Release)
	switch inside := strings.HasPrefix(file, want+string(filepath.Separator)); {
	case !inside && !Ours(w.App, file, w.States):
		return one, StrangePath(w.App, s, file, w.States, w.Release)
	case !inside:
		return one, hint.With(fmt.Errorf("%w: %s still serves %s, not %s, by %s", ErrFrontDoor, s.Door.Site, one.Release, move.To.Release, By(s)),
			"%s", oldPageHint(known))
	case known || w.Addressing == opcache.Resolved || !move.From.Exists():
		return one, nil
	}
	return one, hint.With(fmt.Errorf("%w: %s is served by %s, which is none of the pools and was not swept: it may serve old pages", ErrFrontDoor, s.Door.Site, By(s)),
		"%s", oldPageHint(false))
}

// Seen is what the report says of it. file is the script by its path on this machine.
func Seen(s probe.Heard, file, releases string) outcome.Front {
	return seen(s, file, func(real string) string { return links.Release(real, releases) })
}

func seen(s probe.Heard, file string, release func(real string) string) outcome.Front {
	if s.Err != nil {
		return outcome.Front{Instance: s.Door.Site, Error: s.Err.Error()}
	}
	return outcome.Front{Instance: s.Door.Site, SetUp: Addressing(s), Release: folderOr(release(file)), SAPI: s.Answer.SAPI, PID: s.Answer.PID, By: By(s)}
}

// judgeHidden: a probe that cannot be reached proves nothing, and is no failure
// unless it could be reached before, or PHP itself fails.
func (w Switched) judgeHidden(s probe.Heard, move moves.Move) error {
	answered := slices.ContainsFunc(w.Before, func(one probe.Heard) bool { return one.Door.Site == s.Door.Site && one.Err == nil })
	if !errors.Is(s.Err, probe.ErrServer) && (!answered || !w.holdsProbe(s, move)) {
		return nil
	}
	return fmt.Errorf("%w: %s: %w", ErrFrontDoor, s.Door.Site, s.Err)
}

// holdsProbe tells whether the release that a site is on now has the probe: one of
// before the probe has none.
func (w Switched) holdsProbe(s probe.Heard, move moves.Move) bool {
	_, err := os.Stat(filepath.Join(move.To.Real, w.App.Docroot, s.Door.Name))
	return err == nil
}

// oldPageHint tells what to do about a site that is old after everything.
func oldPageHint(known bool) string {
	if known {
		return `run "relink recover"; if that does not help, "relink opcache reset" at a quiet moment`
	}
	return "restart that PHP at a quiet moment (mod_php: apachectl graceful), and name its pool under `pools` if it is PHP-FPM: the next deploy then reaches it"
}

// Hidden says once how many sites cannot be asked, and what to change.
func Hidden(sights []probe.Heard) (n int, why string) {
	hidden := slices.DeleteFunc(slices.Clone(sights), func(s probe.Heard) bool { return s.Err == nil })
	if len(hidden) == 0 {
		return 0, ""
	}
	names := make([]string, len(hidden))
	for i, s := range hidden {
		names[i] = s.Door.Site
	}
	text := fmt.Sprintf("not proven through the front door: %s: %v", ui.FirstFew(names), hidden[0].Err)
	return len(hidden), strings.Join(append([]string{text}, hint.Of(hidden[0].Err)...), "; ") + "; or turn it off (probe: off)"
}

// StrangePath names the script as PHP does, and as the path_map makes it.
func StrangePath(app apps.App, s probe.Heard, file string, states []links.State, to string) error {
	made := ", which is no path of a release here"
	if file != s.Answer.File {
		made = fmt.Sprintf(", which path_map makes %s: no path of a release here", file)
	}
	return hint.With(fmt.Errorf("%w: %s is served by %s from %s%s", ErrFrontDoor, s.Door.Site, By(s), s.Answer.File, made),
		"if that PHP runs in a chroot or a container, tell how its pool sees the releases: path_map: [{host: %s, pool: %s}]", app.Releases, seenReleases(app, s.Answer.File, states, to))
}
