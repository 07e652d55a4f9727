package demo

import (
	"fmt"

	"relink/internal/hint"
	"relink/internal/ui"
)

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
