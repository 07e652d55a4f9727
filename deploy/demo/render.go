package demo

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"relink/deploy/outcome"
	"relink/internal/ui"
	"relink/opcache"
)

const (
	width     = 80
	nameWidth = 17 // of "   slow request   "
)

// teller writes the story. That nobody reads it any more is no failure of the
// demo, so errors of the writer are dropped.
type teller struct {
	out   io.Writer
	setUp SetUp
}

func (t teller) line(format string, args ...any) { fmt.Fprintf(t.out, format+"\n", args...) }

// fact writes a figure with its name before it, folded to the width.
func (t teller) fact(name, format string, args ...any) {
	for i, line := range ui.Fold(fmt.Sprintf(format, args...), width-nameWidth) {
		if i > 0 {
			name = ""
		}
		t.line("   %-*s%s", nameWidth-3, name, line)
	}
}

// paragraph writes text folded to the width.
func (t teller) paragraph(format string, args ...any) {
	for _, line := range ui.Fold(fmt.Sprintf(format, args...), width) {
		t.line("%s", line)
	}
}

func (t teller) opening(sites int) {
	servers, _, _ := t.setUp.names()
	t.paragraph("relink demo: %s share each release of one PHP application, on a private %s. Ctrl-C ends it and removes everything.", ui.Plural(sites, "site"), servers)
	t.paragraph("Set-up %s: %s One moment ...", t.setUp, told[t.setUp].about)
}

func (t teller) ready(s *scene) {
	t.line("")
	t.paragraph("Ready after %s: DokuWiki on %s, %s.", ui.Duration(s.took), s.server.URL(), s.serving())
	t.line("Each command has --config %s", s.config())
}

func (t teller) begin(about string, args []string) {
	t.line("")
	t.line("%s", about)
	t.line("$ %s", typed(args))
}

func (t teller) first(a act) {
	t.fact("links", "%d made in %s", a.moved, ui.Duration(a.took))
	t.fact("sites", "%d of %d answer with v1", a.answering, a.toAnswer)
	t.fact("set-up", "%s", seenThrough(a.report).setUp)
	t.fact("front door", "%s", doorText(a.report))
	t.fact("steps", "%s", steps(a.report))
}

func (t teller) loadBegins(length time.Duration) {
	t.line("")
	t.line("From now on %d clients load all sites without a pause; first alone, for %s.", clients, ui.Duration(length))
}

func (t teller) alone(f figures, length time.Duration) {
	t.fact("requests", "%s, %d failed; %.0f in a second", ui.Count(f.requests), f.errors, float64(f.requests)/length.Seconds())
	t.fact("worst wait", "%s", ui.Duration(f.worst))
}

func (t teller) act(a act, sites int, alone figures) {
	f := a.figures
	t.fact("set-up", "%s", a.report.SetUp)
	t.fact("links", "%s", movedText(a, sites))
	t.fact("requests", "%s, %d failed", ui.Count(f.requests), f.errors)
	t.fact("old pages", "%d that began after the command had returned", f.old)
	if f.strayed+f.mixed > 0 {
		t.fact("wrong pages", "%d of a release that the site should not be on, %d put together from two", f.strayed, f.mixed)
	}
	t.fact("worst wait", "%s while the command ran; the load alone %s", ui.Duration(f.worst), ui.Duration(alone.worst))
	t.fact("cut-over", "%s", cutOver(a.report)+told[t.setUp].cutOver)
	if a.slow != nil {
		t.fact("slow request", "%s", slowText(a))
	}
	t.fact("workers", "%s", t.workersText(a))
	t.fact("front door", "%s", doorText(a.report))
	t.fact("memory", "%s", savedText(a.report))
	t.fact("steps", "%s in all: %s", ui.Duration(a.took), steps(a.report))
}

func movedText(a act, sites int) string {
	if a.toMove == sites {
		return fmt.Sprintf("%d of %d lead to the release now", a.moved, sites)
	}
	if a.others+a.figures.strayed == 0 {
		return fmt.Sprintf("%d of %d moved; the others answered with v1 all the time%s", a.moved, sites, staysText(a.report))
	}
	return fmt.Sprintf("%d of %d moved, %d of other sites", a.moved, sites, a.others)
}

// staysText: where scripts are named by the links and PHP has its defaults, nobody
// stays on a path that somebody has left.
func staysText(r outcome.Report) string {
	if len(repeats(r)) == 0 {
		return ""
	}
	return ", by now from a repeat of it under a new path"
}

func (t teller) workersText(a act) string {
	if a.restarts > 0 {
		return fmt.Sprintf("%d of %s's processes ended", a.restarts, t.setUp.php())
	}
	same := t.setUp.php() + " was not restarted: the same pids"
	s := a.report.Sweep
	if t.setUp == Resolved {
		return "none had to be swept: what PHP remembers is real paths; " + same
	}
	return fmt.Sprintf("%d swept at the cut-over, %d proven clean after it; %s", s.Workers, s.Settled, same)
}

// doorText is what the sites' own web server answered, after everything.
func doorText(r outcome.Report) string {
	shown := seenThrough(r)
	return fmt.Sprintf("%d of %s proven through Apache, by %s", shown.proven, ui.Plural(len(r.FrontDoor), "site"), strings.Join(shown.sapis, ", "))
}

// door is what the sites have shown after everything: before the first deploy
// there is nothing to ask.
type door struct {
	setUp  opcache.Addressing // the weakest
	proven int                // sites that answered for their release; one that answers for another fails the command
	sapis  []string           // that answered, sorted
}

func seenThrough(r outcome.Report) (d door) {
	for _, one := range r.FrontDoor {
		d.setUp = d.setUp.Weaker(one.SetUp)
		if one.Error == "" {
			d.proven, d.sapis = d.proven+1, append(d.sapis, one.SAPI)
		}
	}
	slices.Sort(d.sapis)
	d.sapis = slices.Compact(d.sapis)
	return d
}

func slowText(a act) string {
	s := a.slow
	if s.problem != "" {
		return "failed: " + s.problem
	}
	text := fmt.Sprintf("answered with status %d by %s after %s, ", s.status, s.release, ui.Duration(s.took))
	switch a.meeting {
	case missed:
		return text + "but not in flight at the cut-over: this machine is slow"
	case waitedFor:
		return text + "and the cut-over waited for it"
	}
	return text + "from before the cut-over until after it"
}

func savedText(r outcome.Report) string {
	if r.SharedBy < 2 {
		return fmt.Sprintf("%s of OPcache for the release, of one site", ui.Bytes(r.LiveBytes))
	}
	return fmt.Sprintf("%s of OPcache saved: %d sites share %s", ui.Bytes(r.SavedBytes), r.SharedBy, ui.Bytes(r.LiveBytes))
}

func cutOver(r outcome.Report) string { return ui.Duration(milliseconds(r.CutoverMS)) }

func milliseconds(ms float64) time.Duration { return time.Duration(ms * float64(time.Millisecond)) }

// shownFrom leaves the steps out that took no time worth a word.
const shownFrom = 1.0 // ms

func steps(r outcome.Report) string {
	var parts []string
	for _, step := range r.Steps {
		if step.MS >= shownFrom {
			text := step.Name + " " + ui.Duration(milliseconds(step.MS))
			parts = append(parts, strings.ReplaceAll(text, " ", ui.Together))
		}
	}
	return strings.Join(parts, ", ")
}
