package report

import (
	"fmt"
	"text/template"
	"time"

	"relink/internal/ui"
)

// words are what the templates of the text and of the page say figures with.
var words = template.FuncMap{
	"bytes":      ui.Bytes,
	"count":      ui.Count[int64],
	"percent":    ui.Percent,
	"percentOf":  func(ratio *float64) string { return ui.OrDash(ratio, ui.Percent) },
	"countOf":    countOf,
	"moment":     moment,
	"safe":       ui.Printable,
	"plural":     ui.Plural[int],
	"plurals":    ui.Plural[int64],
	"fitting":    fitting,
	"directives": (*Plan).directives,
	"window":     func(seconds float64) string { return ui.Duration(time.Duration(seconds * float64(time.Second))) },
	"sum":        func(a, b int64) int64 { return a + b },
	"isTrue":     func(is *bool) bool { return is != nil && *is },
}

// moment says a time in UTC, "never" for none.
func moment(t *time.Time) string {
	if t == nil {
		return "never"
	}
	return t.Format("2006-01-02 15:04:05 UTC")
}

// Ago says how long before the report something of it was used, "-" if never.
func (r *Report) Ago(h Holding) string {
	if h.LastUsed == nil {
		return "-"
	}
	return ui.Duration(max(r.Time.Sub(*h.LastUsed), 0).Round(time.Second))
}

func countOf(n *int64) string { return ui.OrDash(n, ui.Count) }

// directives leaves out what is large enough as it is.
func (p *Plan) directives(maxKeys int64) string {
	all := "opcache.memory_consumption = " + megabytes(p.MemoryBytes)
	if p.MaxAcceleratedFiles > maxKeys {
		all += fmt.Sprintf(" and opcache.max_accelerated_files = %d", p.MaxAcceleratedFiles)
	}
	return all
}

func fitting(n int64) string {
	switch n {
	case 0:
		return "it does not fit"
	case 1:
		return "1 deploy fits"
	}
	return ui.Count(n) + " deploys fit"
}

// sentence is what sharing saves, or "".
func (r *Report) sentence() string {
	if r.SavedBytes == 0 {
		return ""
	}
	return fmt.Sprintf("Sharing saves %s and %s now: without it this would need %s; you have %s.",
		ui.Bytes(r.SavedBytes), ui.Plural(r.SavedKeys, "key"), ui.Bytes(r.UnsharedBytes), ui.Bytes(r.MemoryBytes))
}
