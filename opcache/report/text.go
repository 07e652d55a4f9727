package report

import (
	"fmt"
	"io"
	"strings"
	"time"

	"relink/internal/ui"
)

// TextOptions say what the report is shown on.
type TextOptions struct {
	Width    int  // columns; 0 means 80
	Terminal bool // bars
	Color    bool // ANSI colours
}

// Text writes the report for people.
func (r *Report) Text(w io.Writer, o TextOptions) error {
	if o.Width <= 0 {
		o.Width = 80
	}
	t := &text{options: o, colors: ui.Colors(o.Color), report: r}
	for i := range r.Masters {
		t.master(&r.Masters[i])
	}
	for i := range r.Applications {
		t.application(&r.Applications[i])
	}
	t.outside()
	t.top()
	if saved := r.sentence(); saved != "" {
		t.b.WriteByte('\n')
		t.paragraph("", saved)
	}
	if _, err := io.WriteString(w, t.b.String()); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

// text collects the lines.
type text struct {
	b       strings.Builder
	options TextOptions
	colors  ui.Colors
	report  *Report
}

const (
	labelWidth = 12
	barWidth   = 24
)

func (t *text) heading(title string) {
	if t.b.Len() > 0 {
		t.b.WriteByte('\n')
	}
	t.b.WriteString(t.colors.Bold(ui.Printable(title)) + "\n")
}

// line is a label and what follows it, folded at spaces.
func (t *text) line(label, format string, args ...any) {
	t.paragraph(fmt.Sprintf("  %-*s", labelWidth, label), fmt.Sprintf(format, args...))
}

// paragraph indents further lines as far as the first.
func (t *text) paragraph(indent, content string) {
	room := t.options.Width - len(indent)
	line := ""
	for _, word := range words(ui.Printable(content)) {
		if line != "" && columns(line)+1+columns(word) > room {
			t.b.WriteString(indent + line + "\n")
			indent, line = strings.Repeat(" ", len(indent)), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	t.b.WriteString(strings.TrimRight(indent+line, " ") + "\n")
}

// words keeps a figure and its unit together.
func words(content string) []string {
	var out []string
	for _, word := range strings.Fields(content) {
		if last := len(out) - 1; last >= 0 && units[strings.TrimRight(word, ",;:.)")] && endsInDigit(out[last]) {
			out[last] += " " + word
		} else {
			out = append(out, word)
		}
	}
	return out
}

var units = map[string]bool{"B": true, "KB": true, "MB": true, "GB": true, "TB": true, "%": true,
	"ms": true, "s": true, "min": true, "h": true, "d": true}

func endsInDigit(word string) bool { return strings.ContainsAny(word[len(word)-1:], "0123456789") }

func columns(s string) int { return len([]rune(s)) }

// bar draws parts of a whole, each with its own sign; nothing but on a terminal.
func (t *text) bar(whole int64, parts ...int64) {
	if !t.options.Terminal || whole <= 0 {
		return
	}
	signs := []string{"█", "▓", "▒"}
	var b strings.Builder
	sum, drawn := int64(0), 0
	for i, part := range parts {
		sum += max(part, 0)
		until := min(int(float64(barWidth)*float64(sum)/float64(whole)+0.5), barWidth)
		b.WriteString(strings.Repeat(signs[i%len(signs)], max(until-drawn, 0)))
		drawn = max(drawn, until)
	}
	bar := b.String() + strings.Repeat("░", barWidth-drawn)
	fmt.Fprintf(&t.b, "  %-*s%s\n", labelWidth, "", t.shade(bar, sum, whole))
}

func (t *text) shade(bar string, used, whole int64) string {
	switch part := ratio(used, whole); {
	case part >= 0.95:
		return t.colors.Red(bar)
	case part >= 0.80:
		return t.colors.Yellow(bar)
	}
	return t.colors.Green(bar)
}

// moment says a time in UTC, "never" for none.
func moment(t *time.Time) string {
	if t == nil {
		return "never"
	}
	return t.Format("2006-01-02 15:04:05 UTC")
}

// ago says how long ago something was, "-" if never.
func ago(t *time.Time, now time.Time) string {
	if t == nil {
		return "-"
	}
	return ui.Duration(max(now.Sub(*t), 0).Round(time.Second))
}

func percentOf(ratio *float64) string {
	if ratio == nil {
		return "-"
	}
	return ui.Percent(*ratio)
}

func countOf(n *int64) string {
	if n == nil {
		return "-"
	}
	return ui.Count(*n)
}

// sentence is what sharing saves, or "".
func (r *Report) sentence() string {
	if r.SavedBytes == 0 {
		return ""
	}
	return fmt.Sprintf("Sharing saves %s and %s now: without it this would need %s; you have %s.",
		ui.Bytes(r.SavedBytes), ui.Plural(r.SavedKeys, "key"), ui.Bytes(r.UnsharedBytes), ui.Bytes(r.MemoryBytes))
}
