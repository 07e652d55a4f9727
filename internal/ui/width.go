package ui

import (
	"strings"

	"github.com/jedib0t/go-pretty/v6/text"
)

// widthOf is the number of columns that one line of s takes on a terminal.
func widthOf(s string) int { return text.StringWidthWithoutEscSequences(s) }

func padRight(s string, width int) string {
	return s + strings.Repeat(" ", max(0, width-widthOf(s)))
}

func padLeft(s string, width int) string {
	return strings.Repeat(" ", max(0, width-widthOf(s))) + s
}

// Together is a space at which Fold does not break a line.
const Together = "\u00a0"

// Fold breaks a line at spaces into lines of at most width columns. A word that
// is longer stays whole: it is a path or a command, to be copied.
func Fold(line string, width int) []string {
	var lines []string
	current := ""
	for _, word := range strings.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == '\t' }) {
		word = strings.ReplaceAll(word, Together, " ")
		switch {
		case current == "":
			current = word
		case widthOf(current)+1+widthOf(word) > width:
			lines = append(lines, current)
			current = word
		default:
			current += " " + word
		}
	}
	return append(lines, current)
}
