package render

import (
	"fmt"
	"strconv"
	"strings"

	"relink/health"
)

const (
	statusProblems = 3 // that the status line names
	// maxPerfData keeps the whole output below the 8 KB that Nagios reads of a
	// plugin (MAX_PLUGIN_OUTPUT_LENGTH) and the 4 KB of older ones for the text.
	maxPerfData = 4 << 10
	maxLongText = 3 << 10
)

// Nagios is the results as a monitoring plugin tells them: one status line, its
// performance data behind a bar, then long text. The exit status is the value
// of Worst.
func Nagios(results []health.Result) string {
	list := health.Problems(results)
	line := fmt.Sprintf("RELINK %s - %s", health.Worst(results), health.Counted(results))
	var named []string
	for _, r := range list[:min(len(list), statusProblems)] {
		named = append(named, r.Check+" "+r.Subject+": "+r.Message)
	}
	if len(named) > 0 {
		line += ": " + strings.Join(named, "; ")
	}
	data, left := perfData(results)
	text := clean(strings.ReplaceAll(line, "\n", " "))
	if data != "" {
		text += " | " + data
	}
	return text + "\n" + longText(list, left)
}

// longText must hold no bar: what follows one would be read as performance data.
func longText(list []health.Result, left int) string {
	var b strings.Builder
	add := func(line string) bool {
		if b.Len()+len(line) > maxLongText {
			return false
		}
		b.WriteString(clean(line) + "\n")
		return true
	}
	for i, r := range list {
		lines := append([]string{r.State.String() + " " + r.Check + " " + r.Subject + ": " + r.Message}, r.Details[:min(len(r.Details), mostDetails)]...)
		if r.Fix != "" {
			lines = append(lines, "fix: "+r.Fix)
		}
		if !add(strings.Join(lines, "\n")) {
			fmt.Fprintf(&b, "and %d more problems: relink health tells them\n", len(list)-i)
			break
		}
	}
	if left > 0 {
		fmt.Fprintf(&b, "performance data of %d further figures is left out: choose with --check\n", left)
	}
	return b.String()
}

// clean takes out what the plugin format gives a meaning.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '|':
			return '/'
		case r == '\n':
			return r
		case r < ' ' || r == 0x7f:
			return ' '
		}
		return r
	}, text)
}

// perfData is 'label'=value[unit];[warn];[crit];[min];[max], separated by spaces
// (Monitoring Plugins Development Guidelines, 2.6).
func perfData(results []health.Result) (data string, left int) {
	var b strings.Builder
	for _, r := range results {
		for _, f := range r.Figures {
			one := perfDatum(r, f)
			if left > 0 || b.Len()+len(one)+1 > maxPerfData {
				left++
				continue
			}
			if b.Len() > 0 {
				b.WriteByte(' ')
			}
			b.WriteString(one)
		}
	}
	return b.String(), left
}

var perfUnits = map[health.Unit]string{health.Seconds: "s", health.Bytes: "B", health.Ratio: "%"}

func perfDatum(r health.Result, f health.Figure) string {
	least, most := "0", ""
	scale := 1.0
	if f.Unit == health.Ratio {
		scale, most = 100, "100"
	}
	datum := perfLabel(r, f) + "=" + decimal(f.Value*scale) + perfUnits[f.Unit] + ";" +
		bound(f, f.Warning, scale) + ";" + bound(f, f.Critical, scale) + ";" + least + ";" + most
	return strings.TrimRight(datum, ";")
}

// perfLabel is quoted, because a subject may hold spaces. A label must not hold
// "=", and a quote is doubled.
func perfLabel(r health.Result, f health.Figure) string {
	label := clean(r.Check + "." + f.Name + " " + r.Subject)
	return "'" + strings.NewReplacer("'", "''", "=", "_", "\n", " ").Replace(label) + "'"
}

// bound is a range: "10" alerts above 10, "10:" below.
func bound(f health.Figure, b *float64, scale float64) string {
	switch {
	case b == nil:
		return ""
	case f.AtLeast:
		return decimal(*b*scale) + ":"
	}
	return decimal(*b * scale)
}

// decimal has no exponent, and no digits that nobody measured.
func decimal(v float64) string {
	text := strconv.FormatFloat(v, 'f', 6, 64)
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}
