package demo

import (
	"fmt"
	"net/http"

	"relink/internal/sandbox/app"
	"relink/internal/ui"
)

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
