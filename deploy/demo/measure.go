package demo

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"relink/internal/hint"
	"relink/internal/sandbox/app"
	"relink/internal/sandbox/load"
	"relink/internal/ui"
)

// span is one act in time: the command began, and it returned.
type span struct{ began, returned time.Time }

// figures is what the load saw during one act.
type figures struct {
	requests int
	errors   int
	first    string        // error, in words
	old      int           // pages of the release that the sites had left, begun after the command returned
	strayed  int           // pages of a release that the sites should not be on at any time of the act
	mixed    int           // pages put together from two releases
	worst    time.Duration // of the requests that were under way while the command ran
}

// expectation is what holds for some of the sites during an act.
type expectation struct {
	gone  string // release that no page begun after the command's return may be of
	never string // release that no page of the act may be of
}

// measure compares what the load on some sites had seen before the act and at its end.
func measure(before, after load.Result, at span, e expectation) figures {
	f := figures{
		requests: after.Requests - before.Requests,
		errors:   after.Errors - before.Errors,
		mixed:    after.Answers(app.Mixed) - before.Answers(app.Mixed),
		worst:    after.Worst(at.began, at.returned),
	}
	if n := len(before.Described); f.errors > 0 && len(after.Described) > n {
		f.first = after.Described[n]
	}
	if e.gone != "" {
		f.old = after.OldAfter(at.returned, e.gone)
	}
	if e.never != "" {
		f.strayed = after.OldAfter(at.began, e.never)
	}
	return f
}

// measureAll is the same for the first site and the rest, in one.
func measureAll(before, after seen, at span, first, rest expectation) figures {
	a, b := measure(before.first, after.first, at, first), measure(before.rest, after.rest, at, rest)
	if a.first == "" {
		a.first = b.first
	}
	a.requests += b.requests
	a.errors += b.errors
	a.old += b.old
	a.strayed += b.strayed
	a.mixed += b.mixed
	a.worst = max(a.worst, b.worst)
	return a
}

// lost counts the processes that are no longer there.
func lost(before, after []int) int {
	n := 0
	for _, pid := range before {
		if !slices.Contains(after, pid) {
			n++
		}
	}
	return n
}

// brokenBy lists what did not hold, in words.
func brokenBy(acts []act, setUp SetUp) []string {
	var broken []string
	for _, a := range acts {
		for _, what := range a.broken(setUp) {
			broken = append(broken, fmt.Sprintf("- %s: %s", a.title, what))
		}
	}
	return broken
}

func (a act) broken(setUp SetUp) []string {
	var broken []string
	must := func(holds bool, format string, args ...any) {
		if !holds {
			broken = append(broken, fmt.Sprintf(format, args...))
		}
	}
	f, shown := a.figures, seenThrough(a.report)
	must(f.errors == 0, "%s failed, the first: %s", ui.Plural(f.errors, "request"), f.first)
	must(f.old == 0, "%s of the old release began after the command had returned", ui.Plural(f.old, "page"))
	must(f.strayed == 0, "%s of a release that the site should not be on", ui.Plural(f.strayed, "page"))
	must(f.mixed == 0, "%s put together from two releases", ui.Plural(f.mixed, "page"))
	must(a.restarts == 0, "%d of %s's processes ended", a.restarts, setUp.php())
	must(a.moved == a.toMove, "%d of %s lead to the release", a.moved, ui.Plural(a.toMove, "link"))
	must(a.others == 0, "%s of other sites moved", ui.Plural(a.others, "link"))
	must(a.answering == a.toAnswer, "%s answered with the release, not %d", ui.Plural(a.answering, "site"), a.toAnswer)
	must(a.report.Restart.Action != "opcache", "the cache was restarted: %v", a.report.Restart.Reasons)
	must(shown.proven == len(a.report.FrontDoor), "%d of %s were asked through the web server", shown.proven, ui.Plural(len(a.report.FrontDoor), "site"))
	must(a.toMove == 0 || shown.setUp == setUp.addressing(), "the sites have shown the set-up %q", shown.setUp)
	must(a.toMove == 0 || a.toAnswer > 0 || a.report.SetUp == setUp.addressing(), "relink took the set-up for %q", a.report.SetUp)
	if s := a.slow; s != nil {
		answered := s.problem == "" && s.status == http.StatusOK
		must(answered, "the slow request failed: status %d %s", s.status, s.problem)
		must(a.meeting != waitedFor, "the cut-over waited for the slow request")
		must(!answered || s.release != "" && s.release != app.Mixed, "the slow request's page is of release %q", s.release)
	}
	return broken
}

// summary is the table at the end, and in a word whether the promises held.
func (t teller) summary(acts []act) {
	table := ui.NewTable(width, "", "REQUESTS", "FAILED", "OLD PAGES", "CUT-OVER", "WORST", "SAVED", "RESTARTS").Right(1, 2, 3, 4, 5, 6, 7)
	for _, a := range acts {
		table.Row(a.row()...)
	}
	t.line("")
	fmt.Fprintln(t.out, table)
	if len(brokenBy(acts, t.setUp)) == 0 {
		t.line("No request failed, no page that began after its command had returned was old,")
		t.line("and nothing was restarted.")
	}
}

func (a act) row() []string {
	f := a.figures
	row := []string{a.title, "-", "-", "-", "-", "-", "-", "-"}
	if f.requests > 0 {
		row[1], row[2], row[5] = ui.Count(f.requests), ui.Count(f.errors), ui.Duration(f.worst)
	}
	if len(a.args) == 0 {
		return row
	}
	row[7] = fmt.Sprint(a.restarts)
	if f.requests > 0 {
		row[3] = ui.Count(f.old)
	}
	if a.report.CutoverMS > 0 {
		row[4] = cutOver(a.report)
	}
	if f.requests > 0 && a.report.SavedBytes > 0 {
		row[6] = ui.Bytes(a.report.SavedBytes)
	}
	return row
}

// kept says how to play with what --keep has left.
func (t teller) kept(s *scene, executable string) {
	t.line("")
	t.line("The servers go on running in %s", s.dir)
	for _, one := range s.sites[:min(len(s.sites), examples)] {
		t.line("  curl -H 'Host: %s' '%s%s'", one.host, s.server.URL(), s.app.Paths[0])
	}
	t.line("The configuration is %s", s.config())
	t.line("Try:")
	for _, try := range s.tries() {
		t.line("  %s --config %s %s", hint.Shell(executable), hint.Shell(s.config()), try)
	}
	t.line("Stop and remove it all:")
	t.line("  %s demo --stop %s", hint.Shell(executable), hint.Shell(s.dir))
}

// tries are commands that work one after the other.
func (s *scene) tries() []string {
	on := " --instance " + s.sites[1].name
	tries := []string{"status", "health", "deploy v2" + on, "rollback" + on, "deploy v2 --all --dry-run"}
	if s.SetUp == Resolved {
		tries = append(tries, "apache check")
	}
	return tries
}

const examples = 3 // sites with a curl line each
