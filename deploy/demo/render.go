package demo

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"relink/deploy"
	"relink/internal/ui"
)

const (
	width     = 80
	nameWidth = 17 // of "   slow request   "
)

// teller writes the story. That nobody reads it any more is no failure of the
// demo, so errors of the writer are dropped.
type teller struct{ out io.Writer }

func (t teller) line(format string, args ...any) { fmt.Fprintf(t.out, format+"\n", args...) }

// fact writes a figure with its name before it, folded to the width.
func (t teller) fact(name, format string, args ...any) {
	for i, line := range fold(fmt.Sprintf(format, args...), width-nameWidth) {
		if i > 0 {
			name = ""
		}
		t.line("   %-*s%s", nameWidth-3, name, line)
	}
}

func (t teller) opening(sites int) {
	t.line("relink demo: %s share each release of one PHP application, on a private", ui.Plural(sites, "site"))
	t.line("Apache and PHP-FPM. Ctrl-C ends it and removes everything. One moment ...")
}

func (t teller) ready(s *scene) {
	t.line("")
	t.line("Ready after %s: DokuWiki on %s, PHP-FPM with %s.", ui.Duration(s.took), s.server.URL(), ui.Plural(s.server.Pool("").Workers, "worker"))
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
	t.fact("links", "%s", movedText(a, sites))
	t.fact("requests", "%s, %d failed", ui.Count(f.requests), f.errors)
	t.fact("old pages", "%d that began after the command had returned", f.old)
	if f.strayed+f.mixed > 0 {
		t.fact("wrong pages", "%d of a release that the site should not be on, %d put together from two", f.strayed, f.mixed)
	}
	t.fact("worst wait", "%s while the command ran; the load alone %s", ui.Duration(f.worst), ui.Duration(alone.worst))
	t.fact("cut-over", "%s from the first moved link to the last invalidation", cutOver(a.report))
	if a.slow != nil {
		t.fact("slow request", "%s", slowText(a))
	}
	t.fact("workers", "%s", workersText(a))
	t.fact("memory", "%s", savedText(a.report))
	t.fact("steps", "%s in all: %s", ui.Duration(a.took), steps(a.report))
}

func movedText(a act, sites int) string {
	if a.toMove == sites {
		return fmt.Sprintf("%d of %d lead to the release now", a.moved, sites)
	}
	if a.others+a.figures.strayed == 0 {
		return fmt.Sprintf("%d of %d moved; the others answered with v1 all the time", a.moved, sites)
	}
	return fmt.Sprintf("%d of %d moved, %d of other sites", a.moved, sites, a.others)
}

func workersText(a act) string {
	if a.restarts > 0 {
		return fmt.Sprintf("%d of PHP-FPM's processes ended", a.restarts)
	}
	s := a.report.Sweep
	return fmt.Sprintf("%d swept at the cut-over, %d proven clean after it; PHP-FPM was not restarted: the same pids", s.Workers, s.Settled)
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

func savedText(r deploy.Report) string {
	if r.SharedBy < 2 {
		return fmt.Sprintf("%s of OPcache for the release, of one site", ui.Bytes(r.LiveBytes))
	}
	return fmt.Sprintf("%s of OPcache saved: %d sites share %s", ui.Bytes(r.SavedBytes), r.SharedBy, ui.Bytes(r.LiveBytes))
}

func cutOver(r deploy.Report) string { return ui.Duration(milliseconds(r.CutoverMS)) }

func milliseconds(ms float64) time.Duration { return time.Duration(ms * float64(time.Millisecond)) }

// shownFrom leaves the steps out that took no time worth a word.
const shownFrom = 1.0 // ms

func steps(r deploy.Report) string {
	var parts []string
	for _, step := range r.Steps {
		if step.MS >= shownFrom {
			text := step.Name + " " + ui.Duration(milliseconds(step.MS))
			parts = append(parts, strings.ReplaceAll(text, " ", together))
		}
	}
	return strings.Join(parts, ", ")
}

// together is a space at which a line is not broken.
const together = "\u00a0"

// fold breaks text at its spaces into lines of at most that many columns.
func fold(text string, columns int) []string {
	var lines []string
	current := ""
	for _, word := range strings.Split(text, " ") {
		if current != "" && utf8.RuneCountInString(current+" "+word) > columns {
			lines = append(lines, current)
			current = ""
		}
		if current != "" {
			current += " "
		}
		current += word
	}
	lines = append(lines, current)
	for i := range lines {
		lines[i] = strings.ReplaceAll(lines[i], together, " ")
	}
	return lines
}
