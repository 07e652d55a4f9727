package ui

import (
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// Table is rows below a header, with a line between them and nothing else, so
// that it reads the same on a terminal, in a log and in a mail. If it is too
// wide, its widest columns are folded at spaces; words stay whole, so that a
// path can be copied.
type Table struct {
	width int
	head  []string
	rows  [][]string
	right map[int]bool
}

// NewTable begins a table for a screen of that many columns; 0 means 80.
func NewTable(width int, head ...string) *Table {
	if width <= 0 {
		width = defaultWidth
	}
	return &Table{width: width, head: head, right: map[int]bool{}}
}

// Right aligns columns, counted from 0, to the right, as figures are.
func (t *Table) Right(columns ...int) *Table {
	for _, column := range columns {
		t.right[column] = true
	}
	return t
}

// Row adds a row. A cell may have several lines; what could drive a terminal in it is
// shown as Printable shows it, but for the colours of Colors.
func (t *Table) Row(cells ...string) {
	row := make([]string, len(cells))
	for i, cell := range cells {
		row[i] = printableText(cell)
	}
	t.rows = append(t.rows, row)
}

// String is the table, each line with its newline.
func (t *Table) String() string {
	w := table.NewWriter()
	w.SetStyle(plainStyle())
	w.SuppressTrailingSpaces()
	w.AppendHeader(tableRow(t.head))
	for _, row := range t.rows {
		w.AppendRow(tableRow(row))
	}
	w.SetColumnConfigs(t.columns())
	return w.Render() + "\n"
}

const columnGap = "  "

func plainStyle() table.Style {
	style := table.StyleDefault
	style.Box.MiddleVertical, style.Box.MiddleSeparator, style.Box.MiddleHorizontal = columnGap, columnGap, "-"
	style.Box.PaddingLeft, style.Box.PaddingRight = "", ""
	style.Format.Header = text.FormatDefault
	style.Options.DrawBorder = false
	return style
}

func tableRow(row []string) table.Row {
	out := make(table.Row, len(row))
	for i, cell := range row {
		out[i] = cell
	}
	return out
}

func (t *Table) columns() []table.ColumnConfig {
	configs := make([]table.ColumnConfig, len(t.head))
	for i, width := range t.widths() {
		configs[i] = table.ColumnConfig{Number: i + 1, WidthMax: width, WidthMaxEnforcer: text.WrapSoft}
		if t.right[i] {
			configs[i].Align, configs[i].AlignHeader = text.AlignRight, text.AlignRight
		}
	}
	return configs
}

// widths gives each column its natural width, then takes what is too much from
// the widest column that can be folded further. The library folds a column to a
// given width, but does not share the screen out among them.
func (t *Table) widths() []int {
	natural, least := make([]int, len(t.head)), make([]int, len(t.head))
	total := -len(columnGap)
	for i := range natural {
		for _, row := range append([][]string{t.head}, t.rows...) {
			if i < len(row) {
				natural[i] = max(natural[i], widest(strings.Split(row[i], "\n")))
				least[i] = max(least[i], widest(strings.Fields(row[i])))
			}
		}
		total += natural[i] + len(columnGap)
	}
	for ; total > t.width; total-- {
		i := widestFoldable(natural, least)
		if i < 0 {
			break
		}
		natural[i]--
	}
	return natural
}

func widest(parts []string) int {
	width := 0
	for _, part := range parts {
		width = max(width, widthOf(part))
	}
	return width
}

func widestFoldable(widths, least []int) int {
	found := -1
	for i := range widths {
		if widths[i] > least[i] && (found < 0 || widths[i] > widths[found]) {
			found = i
		}
	}
	return found
}

// widthOf is the number of columns that one line of s takes on a terminal.
func widthOf(s string) int { return text.StringWidthWithoutEscSequences(s) }

func padRight(s string, width int) string {
	return s + strings.Repeat(" ", max(0, width-widthOf(s)))
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
