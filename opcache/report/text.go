package report

import (
	_ "embed"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync"
	"text/template"

	"relink/internal/ui"
	"relink/opcache"
)

// TextOptions say what the report is shown on.
type TextOptions struct {
	Width    int  // columns; 0 means 80
	Terminal bool // bars
	Color    bool // ANSI colours
}

//go:embed report.txt.tmpl
var textTemplate string

var textLines = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("text").Funcs(words).Parse(textTemplate))
})

// textData is what the template sees beside the report.
type textData struct {
	*Report
	TextOptions
}

// Text writes the report for people.
func (r *Report) Text(w io.Writer, o TextOptions) error {
	if o.Width <= 0 {
		o.Width = 80
	}
	d := textData{r, o}
	var lines, out strings.Builder
	if err := textLines().Execute(&lines, d); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	for line := range strings.Lines(lines.String()) {
		d.lay(&out, strings.TrimSuffix(line, "\n"))
	}
	if saved := r.sentence(); saved != "" {
		out.WriteByte('\n')
		d.paragraph(&out, "", saved)
	}
	if _, err := io.WriteString(w, out.String()); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

const (
	labelWidth = 12
	barWidth   = 24
)

// lay writes a line of the template as it is shown.
func (d textData) lay(out *strings.Builder, line string) {
	title, heads := strings.CutPrefix(line, "# ")
	label, content, labelled := strings.Cut(line, " | ")
	switch {
	case line == "":
	case heads:
		if out.Len() > 0 {
			out.WriteByte('\n')
		}
		out.WriteString(ui.Colors(d.Color).Bold(title) + "\n")
	case labelled && !strings.HasPrefix(line, "  "):
		d.paragraph(out, fmt.Sprintf("  %-*s", labelWidth, label), content)
	default:
		out.WriteString(line + "\n")
	}
}

// figure is a number with its unit, which stay on one line.
var figure = regexp.MustCompile(`(\d) ([KMGT]?B|%|ms|s|min|h|d)([,;:.) ]|$)`)

// paragraph folds at spaces, and indents further lines as far as the first.
func (d textData) paragraph(out *strings.Builder, indent, content string) {
	for _, line := range ui.Fold(figure.ReplaceAllString(content, "$1"+ui.Together+"$2$3"), d.Width-len(indent)) {
		out.WriteString(strings.TrimRight(indent+line, " ") + "\n")
		indent = strings.Repeat(" ", len(indent))
	}
}

// Bar draws parts of a whole, each with its own sign; nothing but on a terminal.
func (d textData) Bar(whole int64, parts ...int64) string {
	if !d.Terminal || whole <= 0 {
		return ""
	}
	signs := []string{"█", "▓", "▒"}
	var b strings.Builder
	used, drawn := int64(0), 0
	for i, part := range parts {
		used += max(part, 0)
		until := min(int(float64(barWidth)*float64(used)/float64(whole)+0.5), barWidth)
		b.WriteString(strings.Repeat(signs[i%len(signs)], max(until-drawn, 0)))
		drawn = max(drawn, until)
	}
	colors := ui.Colors(d.Color)
	shade := colors.Green
	switch part := opcache.Ratio(used, whole); {
	case part >= 0.95:
		shade = colors.Red
	case part >= 0.80:
		shade = colors.Yellow
	}
	return " | " + shade(b.String()+strings.Repeat("░", barWidth-drawn))
}

func (d textData) ReleaseTable(releases []ReleaseReport) string {
	table := ui.NewTable(d.Width-2, "RELEASE", "ON", "LIVE\nscripts", "DEAD\nscripts", "HITS\nwindow", "LAST\nUSE", "SAVES\nkeys").Right(1, 2, 3, 4, 5, 6)
	for _, r := range releases {
		table.Row(append([]string{ui.Printable(r.Release), ui.Count(len(r.Instances))},
			append(d.cells(r.Holding), ui.Bytes(r.SavedBytes)+"\n"+ui.Count(r.SavedKeys))...)...)
	}
	return indented(table)
}

func (d textData) FolderTable(folders []FolderReport) string {
	table := ui.NewTable(d.Width-2, "FOLDER", "LIVE\nscripts", "DEAD\nscripts", "HITS\nwindow", "LAST\nUSE").Right(1, 2, 3, 4)
	for _, f := range folders {
		table.Row(append([]string{ui.Printable(f.Folder)}, d.cells(f.Holding)...)...)
	}
	return indented(table)
}

// cells are those that both tables have.
func (d textData) cells(h Holding) []string {
	return []string{
		ui.Bytes(h.LiveBytes) + "\n" + ui.Count(h.LiveScripts),
		ui.Bytes(h.DeadBytes) + "\n" + ui.Count(h.DeadScripts),
		ui.Count(h.Hits) + "\n" + countOf(h.WindowHits),
		d.Ago(h),
	}
}

func indented(table *ui.Table) string {
	return "  " + strings.ReplaceAll(strings.TrimSuffix(table.String(), "\n"), "\n", "\n  ")
}
