package demo

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"relink/internal/sandbox/app"
	"relink/internal/sandbox/load"
	"relink/internal/ui"
)

// span is one act in time: the command began, and it returned.
type span struct{ began, returned time.Time }

// figures is what the load saw during one act.
type figures struct {
	Requests int
	Errors   int
	first    string        // error, in words
	Old      int           // pages of the release that the sites had left, begun after the command returned
	Strayed  int           // pages of a release that the sites should not be on at any time of the act
	Mixed    int           // pages put together from two releases
	Worst    time.Duration // of the requests that were under way while the command ran
}

// expectation is what holds for some of the sites during an act.
type expectation struct {
	gone  string // release that no page begun after the command's return may be of
	never string // release that no page of the act may be of
}

// measure compares what the load on some sites had seen before the act and at its end.
func measure(before, after load.Result, at span, e expectation) figures {
	f := figures{
		Requests: after.Requests - before.Requests,
		Errors:   after.Errors - before.Errors,
		Mixed:    after.Answers(app.Mixed) - before.Answers(app.Mixed),
		Worst:    after.Between(at.began, at.returned).Wait(1),
	}
	if n := len(before.Described); f.Errors > 0 && len(after.Described) > n {
		f.first = after.Described[n]
	}
	if e.gone != "" {
		f.Old = after.OldAfter(at.returned, e.gone)
	}
	if e.never != "" {
		f.Strayed = after.OldAfter(at.began, e.never)
	}
	return f
}

// measureAll is the same for the first site and the rest, in one.
func measureAll(before, after []load.Result, at span, expected ...expectation) (all figures) {
	for i, e := range expected {
		f := measure(before[i], after[i], at, e)
		all = figures{all.Requests + f.Requests, all.Errors + f.Errors, cmp.Or(all.first, f.first), all.Old + f.Old,
			all.Strayed + f.Strayed, all.Mixed + f.Mixed, max(all.Worst, f.Worst)}
	}
	return all
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
	f, shown := a.Figures, seenThrough(a.Report)
	must(f.Errors == 0, "%s failed, the first: %s", ui.Plural(f.Errors, "request"), f.first)
	must(f.Old == 0, "%s of the old release began after the command had returned", ui.Plural(f.Old, "page"))
	must(f.Strayed == 0, "%s of a release that the site should not be on", ui.Plural(f.Strayed, "page"))
	must(f.Mixed == 0, "%s put together from two releases", ui.Plural(f.Mixed, "page"))
	must(a.Restarts == 0, "%d of %s's processes ended", a.Restarts, tells[setUp].PHP)
	must(a.Moved == a.ToMove, "%d of %s lead to the release", a.Moved, ui.Plural(a.ToMove, "link"))
	must(a.Others == 0, "%s of other sites moved", ui.Plural(a.Others, "link"))
	must(a.Answering == a.ToAnswer, "%s answered with the release, not %d", ui.Plural(a.Answering, "site"), a.ToAnswer)
	must(a.Report.Restart.Action != "opcache", "the cache was restarted: %v", a.Report.Restart.Reasons)
	must(shown.Proven == len(a.Report.FrontDoor), "%d of %s were asked through the web server", shown.Proven, ui.Plural(len(a.Report.FrontDoor), "site"))
	must(a.ToMove == 0 || shown.SetUp == setUp.addressing(), "the sites have shown the set-up %q", shown.SetUp)
	must(a.ToMove == 0 || a.ToAnswer > 0 || a.Report.SetUp == setUp.addressing(), "relink took the set-up for %q", a.Report.SetUp)
	if s := a.Slow; s != nil {
		must(s.Problem == "", "the slow request failed: %s", s.Problem)
		must(a.Meeting != waitedFor, "the cut-over waited for the slow request")
	}
	return broken
}

// summary is the table at the end, and in a word whether the promises held.
func (t teller) summary(acts []act) {
	table := ui.NewTable(width, "", "REQUESTS", "FAILED", "OLD PAGES", "CUT-OVER", "WORST", "SAVED", "RESTARTS").Right(1, 2, 3, 4, 5, 6, 7)
	for _, a := range acts {
		table.Row(a.row()...)
	}
	fmt.Fprintf(t.out, "\n%s\n", table)
	if len(brokenBy(acts, t.setUp)) == 0 {
		t.say("promises held", nil)
	}
}

func (a act) row() []string {
	f := a.Figures
	row := []string{a.title, "-", "-", "-", "-", "-", "-", "-"}
	if f.Requests > 0 {
		row[1], row[2], row[5] = ui.Count(f.Requests), ui.Count(f.Errors), ui.Duration(f.Worst)
	}
	if len(a.args) == 0 {
		return row
	}
	row[7] = fmt.Sprint(a.Restarts)
	if f.Requests > 0 {
		row[3] = ui.Count(f.Old)
	}
	if a.Report.CutoverMS > 0 {
		row[4] = cutOver(a.Report)
	}
	if f.Requests > 0 && a.Report.SavedBytes > 0 {
		row[6] = ui.Bytes(a.Report.SavedBytes)
	}
	return row
}
