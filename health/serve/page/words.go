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
	"plurals":  ui.Plural[int64],
	"percent":  ui.Percent,
	"ratio":    ratioText,
	"ms":       func(ms float64) string { return ui.Duration(ui.FromMilliseconds(ms)) },
	"moment":   moment,
	"machine":  func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	"safe":     ui.Printable,
	"known":    func(n *int64) string { return ui.OrDash(n, ui.Count) },
	"perSec":   perSecond,
	"lower":    strings.ToLower,
	"stateTag": stateTag,

	"conditionTag": conditionTag,
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

func moment(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

func perSecond(n *float64) string {
	return ui.OrDash(n, func(rate float64) string {
		if rate < 10 {
			return fmt.Sprintf("%.1f/s", rate)
		}
		return ui.Count(int64(rate+0.5)) + "/s"
	})
}

func ratioText(n *float64) string { return ui.OrDash(n, ui.Percent) }
