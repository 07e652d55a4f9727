package render

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"relink/health"
	"relink/internal/ui"
)

// Text is the results for people: problems with their cure, the most urgent
// first, then what is in order, then the sum.
func Text(results []health.Result, took time.Duration, colors ui.Colors, width int) string {
	p := page{colors: colors, width: width}
	for _, r := range health.Problems(results) {
		p.problem(r)
	}
	p.inOrder(results)
	p.line(paint(colors, health.Worst(results)), ": "+health.Counted(results)+" in "+ui.Duration(took))
	return p.text.String()
}

type page struct {
	colors ui.Colors
	width  int
	text   strings.Builder
}

func paint(c ui.Colors, s health.State) string {
	switch s {
	case health.OK:
		return c.Green(s.String())
	case health.Critical:
		return c.Red(s.String())
	}
	return c.Yellow(s.String())
}

func (p *page) line(parts ...string) { p.text.WriteString(strings.Join(parts, "") + "\n") }

const stateWidth = 10

func (p *page) problem(r health.Result) {
	head, indent := paint(p.colors, r.State), stateWidth-len(r.State.String())
	for _, line := range ui.Fold(r.Check+" "+ui.Together+r.Subject+": "+r.Message, p.width-stateWidth) {
		p.line(head, strings.Repeat(" ", indent), strings.TrimPrefix(line, " "))
		head, indent = "", stateWidth
	}
	for _, detail := range r.Details[:min(len(r.Details), mostDetails)] {
		p.indented("- ", detail)
	}
	if more := len(r.Details) - mostDetails; more > 0 {
		p.indented("- ", fmt.Sprintf("and %d more", more))
	}
	if r.Fix != "" {
		p.indented("fix: ", r.Fix)
	}
	p.line()
}

const mostDetails = 10

// indented writes a paragraph below a problem, with a hanging indent.
func (p *page) indented(head, text string) {
	for i, line := range ui.Fold(text, p.width-stateWidth-len(head)) {
		lead := head
		if i > 0 {
			lead = strings.Repeat(" ", len(head))
		} else if head == "fix: " {
			lead = p.colors.Bold("fix:") + " "
		}
		p.line(strings.Repeat(" ", stateWidth), lead, line)
	}
}

// inOrder has one line for each check without a problem.
func (p *page) inOrder(results []health.Result) {
	table := ui.NewTable(p.width, "OK", "", "")
	rows := 0
	for _, c := range health.All() {
		made := slices.DeleteFunc(slices.Clone(results), func(r health.Result) bool { return r.Check != c.Name })
		if len(made) == 0 || slices.ContainsFunc(made, func(r health.Result) bool { return r.State != health.OK }) {
			continue
		}
		rows++
		if len(made) == 1 {
			table.Row(c.Name, made[0].Subject, made[0].Message)
		} else {
			table.Row(c.Name, fmt.Sprintf("%d of %d", len(made), len(made)), "")
		}
	}
	if rows > 0 {
		p.line(table.String())
	}
}

// Explain is what checks mean.
func Explain(checks []health.Check, width int) string {
	p := page{width: width}
	family := ""
	for _, c := range checks {
		if c.Family != family {
			family = c.Family
			p.line(family)
		}
		p.line("  ", c.Name)
		for _, line := range ui.Fold(c.Means, width-4) {
			p.line("    ", line)
		}
	}
	return p.text.String()
}
