package report

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"relink/internal/ui"
)

// printable makes a name safe to show: control characters, which could drive a
// terminal, and bytes that are not UTF-8 become \x1b and the like.
func printable(name string) string {
	if strings.IndexFunc(name, unprintable) < 0 {
		return name
	}
	var b strings.Builder
	for len(name) > 0 {
		r, size := utf8.DecodeRuneInString(name)
		if unprintable(r) {
			for _, c := range []byte(name[:size]) {
				fmt.Fprintf(&b, `\x%02x`, c)
			}
		} else {
			b.WriteString(name[:size])
		}
		name = name[size:]
	}
	return b.String()
}

// unprintable includes what changes the direction of text around it.
func unprintable(r rune) bool {
	return r == utf8.RuneError || !unicode.IsPrint(r)
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
