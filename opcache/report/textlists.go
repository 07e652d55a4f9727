package report

import (
	"fmt"
	"strings"
	"time"

	"relink/internal/ui"
)

func windowLength(seconds float64) string {
	return ui.Duration(time.Duration(seconds * float64(time.Second)))
}

func (t *text) application(a *ApplicationReport) {
	t.heading("Application " + a.Name)
	if len(a.Releases) == 0 {
		t.paragraph("  ", "OPcache holds nothing of it, and no instance leads to a release.")
	} else {
		table := ui.NewTable(t.options.Width-2, "RELEASE", "ON", "LIVE\nscripts", "DEAD\nscripts", "HITS\nwindow", "LAST\nUSE", "SAVES\nkeys").Right(1, 2, 3, 4, 5, 6)
		for i := range a.Releases {
			r := &a.Releases[i]
			table.Row(append([]string{ui.Printable(r.Release), ui.Count(len(r.Instances))},
				append(t.holding(&r.Holding), ui.Bytes(r.SavedBytes)+"\n"+ui.Count(r.SavedKeys))...)...)
		}
		t.table(table)
	}
	if len(a.Dangling) > 0 {
		t.line("dangling", "%s", strings.Join(a.Dangling, " "))
	}
}

// holding is the cells that every list has.
func (t *text) holding(h *Holding) []string {
	return []string{
		ui.Bytes(h.LiveBytes) + "\n" + ui.Count(h.LiveScripts),
		ui.Bytes(h.DeadBytes) + "\n" + ui.Count(h.DeadScripts),
		ui.Count(h.Hits) + "\n" + countOf(h.WindowHits),
		ago(h.LastUsed, t.report.Time),
	}
}

func (t *text) table(table *ui.Table) {
	for line := range strings.Lines(table.String()) {
		t.b.WriteString("  " + line)
	}
}

func (t *text) outside() {
	if len(t.report.Outside) == 0 {
		return
	}
	t.heading("Outside any release")
	table := ui.NewTable(t.options.Width-2, "FOLDER", "LIVE\nscripts", "DEAD\nscripts", "HITS\nwindow", "LAST\nUSE").Right(1, 2, 3, 4)
	for i := range t.report.Outside {
		f := &t.report.Outside[i]
		table.Row(append([]string{ui.Printable(f.Folder)}, t.holding(&f.Holding)...)...)
	}
	t.table(table)
}

// The titles of the top list.
var topTitles = map[Order]string{ByBytes: "by bytes", ByHits: "by hits", ByNever: "by bytes never hit"}

func (t *text) top() {
	top := t.report.Top
	if top == nil {
		return
	}
	t.heading("Top " + top.Of + " " + topTitles[top.By])
	if len(top.Rows) == 0 {
		t.paragraph("  ", "None.")
		return
	}
	// No table: that would fold the figures to make room for the paths.
	fmt.Fprintf(&t.b, "  %8s  %9s  %11s  %8s  %s\n", "BYTES", "NEVER HIT", "HITS", "LAST USE", "PATH")
	for i := range top.Rows {
		r := &top.Rows[i]
		fmt.Fprintf(&t.b, "  %8s  %9s  %11s  %8s  %s\n", ui.Bytes(r.LiveBytes+r.DeadBytes), ui.Bytes(r.NeverBytes),
			ui.Count(r.Hits), ago(r.LastUsed, t.report.Time), ui.Printable(r.Path))
	}
}
