package page

import (
	"fmt"
	"hash/fnv"
	"html/template"
	"strings"
	"time"

	"relink/internal/ui"
)

// words are the templates' functions.
var words = template.FuncMap{
	"asset":    assetURL,
	"bytes":    ui.Bytes,
	"count":    ui.Count[int64],
	"number":   ui.Count[int],
	"plural":   ui.Plural[int],
	"percent":  ui.Percent,
	"ms":       milliseconds,
	"moment":   moment,
	"machine":  machine,
	"safe":     ui.Printable,
	"known":    known,
	"perSec":   perSecond,
	"lower":    strings.ToLower,
	"stateTag": stateTag,
}

// idOf makes an element's id of names, whatever they hold.
func idOf(kind string, names ...string) string {
	h := fnv.New64a()
	for _, name := range names {
		h.Write([]byte(name))
		h.Write([]byte{0})
	}
	return fmt.Sprintf("%s-%x", kind, h.Sum64())
}

func milliseconds(ms float64) string {
	return ui.Duration(time.Duration(ms * float64(time.Millisecond)))
}

func moment(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

func machine(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func known(n *int64) string { return orDash(n, ui.Count) }

func perSecond(n *float64) string {
	return orDash(n, func(rate float64) string {
		if rate < 10 {
			return fmt.Sprintf("%.1f/s", rate)
		}
		return ui.Count(int64(rate+0.5)) + "/s"
	})
}

func ratioText(n *float64) string { return orDash(n, ui.Percent) }

// orDash says a figure; "-" where it is not known.
func orDash[N any](n *N, say func(N) string) string {
	if n == nil {
		return "-"
	}
	return say(*n)
}
