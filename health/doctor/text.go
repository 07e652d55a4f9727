package doctor

import (
	"fmt"
	"strings"

	"relink/internal/ui"
)

// A screen is 24 lines of 80 columns, of which the shell's prompt takes one.
const (
	screenLines = 23
	mostSeen    = 9
	mostMessage = 3 // lines of what was found; what to do about it is never cut
	mostInOrder = 14
	tagWidth    = 10
)

// Text is what fits on a screen: what is left out is counted.
func (d Diagnosis) Text(width int) string {
	width = max(width, 80)
	lines := ui.Fold(d.headline(), width)
	for _, seen := range d.Seen[:min(len(d.Seen), mostSeen)] {
		lines = append(lines, indented("  ", seen, width, 1)...)
	}
	if more := len(d.Seen) - mostSeen; more > 0 {
		lines = append(lines, fmt.Sprintf("  and %d more: relink config init --output -", more))
	}
	end := d.ending(width)
	for i, f := range d.Findings {
		block := f.lines(width)
		if len(lines)+len(block)+len(end) > screenLines {
			lines = append(lines, fmt.Sprintf("and %d more: relink health, and relink doctor --format json", len(d.Findings)-i))
			break
		}
		lines = append(lines, block...)
	}
	return strings.Join(append(lines, end...), "\n") + "\n"
}

func (d Diagnosis) headline() string {
	var parts []string
	for _, one := range []struct {
		urgency    Urgency
		one, other string
	}{{Deploy, "blocks the next deploy", "block the next deploy"}, {Visitors, "troubles visitors", "trouble visitors"}, {Advice, "is advice", "are advice"}} {
		switch n := d.Count(one.urgency); n {
		case 0:
		case 1:
			parts = append(parts, "1 "+one.one)
		default:
			parts = append(parts, fmt.Sprintf("%d %s", n, one.other))
		}
	}
	if len(parts) == 0 {
		return "All is well."
	}
	return "To do, in this order: " + strings.Join(parts, ", ") + "."
}

func (f Finding) lines(width int) []string {
	text := indented(fmt.Sprintf("%-*s", tagWidth, f.Urgency), f.Check+" "+f.Subject+": "+f.Message, width, mostMessage)
	if len(f.Details) == 1 || len(f.Details) > 0 && f.Blocks {
		text = append(text, indented(strings.Repeat(" ", tagWidth)+"- ", f.Details[0], width, 1)...)
	}
	if f.Fix != "" {
		text = append(text, indented(strings.Repeat(" ", tagWidth)+"fix: ", f.Fix, width, screenLines)...)
	}
	return text
}

func (d Diagnosis) ending(width int) []string {
	var lines []string
	if len(d.InOrder) > 0 {
		lines = indented("in order: ", ui.First(mostInOrder, d.InOrder), width, mostMessage)
	}
	for _, command := range d.Next {
		lines = append(lines, "next:     "+command)
	}
	return lines
}

// indented is a paragraph of at most so many lines behind its head; one that is longer
// ends in "...".
func indented(head, text string, width, most int) []string {
	lines := ui.Fold(text, width-len(head))
	if len(lines) > most {
		lines = lines[:most]
		lines[most-1] = strings.Join(ui.Fold(lines[most-1], width-len(head)-4)[:1], "") + " ..."
	}
	for i := range lines {
		if i > 0 {
			head = strings.Repeat(" ", len(head))
		}
		lines[i] = head + lines[i]
	}
	return lines
}
