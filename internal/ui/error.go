package ui

import (
	"cmp"
	"fmt"
	"strings"

	"relink/internal/hint"
)

// Error shows err as "PROGRAM: message", and below it a line "hint: ..." for each
// of its hints. It does so in quiet mode too.
func (o *Output) Error(err error) {
	program := cmp.Or(o.options.Program, "relink") + ":"
	fmt.Fprintln(o, colored(wrap(program+" "+err.Error(), o.options.Width), program, o.colors.Red))
	for _, advice := range hint.Of(err) {
		fmt.Fprintln(o, colored(wrap("hint: "+advice, o.options.Width), "hint:", o.colors.Yellow))
	}
}

func colored(s, prefix string, color func(string) string) string {
	return color(prefix) + strings.TrimPrefix(s, prefix)
}

// wrap folds each line of s, and indents all but the first. A line that begins
// with a space is a picture, such as the source of a mistake with a caret below
// it, and stays as it is.
func wrap(s string, width int) string {
	const indent = "  "
	var lines []string
	for _, line := range strings.Split(strings.TrimSpace(s), "\n") {
		line = printableLine(line)
		if strings.HasPrefix(line, " ") {
			lines = append(lines, line)
			continue
		}
		lines = append(lines, Fold(line, width-len(indent))...)
	}
	return strings.Join(lines, "\n"+indent)
}

// Colors colours text by ANSI sequences, or leaves it as it is.
type Colors bool

func (c Colors) Red(s string) string    { return c.wrap("31", s) }
func (c Colors) Green(s string) string  { return c.wrap("32", s) }
func (c Colors) Yellow(s string) string { return c.wrap("33", s) }
func (c Colors) Bold(s string) string   { return c.wrap("1", s) }

func (c Colors) wrap(code, s string) string {
	if !c || s == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}
