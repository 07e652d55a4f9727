package apache

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"relink/internal/hint"
	"relink/internal/ui"
)

// Result is what a check found.
type Result struct {
	App   string    `json:"app"`
	Map   string    `json:"map"` // path of the map
	Sites []Finding `json:"sites"`
	Exit  int       `json:"exit"`
}

// Finding is what was found of one site. Releases are ids, "" for none.
type Finding struct {
	Instance     string   `json:"instance"`
	Key          string   `json:"key"`           // in the map
	Map          string   `json:"map"`           // release by the map
	Link         string   `json:"link"`          // release that its link leads to
	Serves       string   `json:"serves"`        // release of the script that PHP ran
	SAPI         string   `json:"sapi"`          // as PHP names itself
	Script       string   `json:"script"`        // SCRIPT_FILENAME, as the web server sent it
	DocumentRoot string   `json:"document_root"` // as the web server sent it
	Resolved     bool     `json:"resolved"`      // real paths arrive, and map, link and PHP say the same
	Problems     []string `json:"problems"`

	hints []string
}

func (f *Finding) wrong(format string, args ...any) {
	f.Problems = append(f.Problems, fmt.Sprintf(format, args...))
}

// verdict completes the result.
func (r *Result) verdict() error {
	var wrong int
	var hints []string
	for i := range r.Sites {
		one := &r.Sites[i]
		if one.Resolved = len(one.Problems) == 0; one.Resolved {
			one.Problems = []string{} // in JSON a list, never null
			continue
		}
		wrong++
		hints = append(hints, one.hints...)
	}
	if wrong == 0 {
		return nil
	}
	r.Exit = 1
	err := fmt.Errorf("%w: %d of %d are not", ErrNotResolved, wrong, len(r.Sites))
	slices.Sort(hints)
	for _, text := range slices.Compact(hints) {
		err = hint.With(err, "%s", text)
	}
	return err
}

// Text is the result for people.
func (r Result) Text(width int) string {
	table := ui.NewTable(width, "INSTANCE", "MAP", "LINK", "SERVES", "PHP", "PATHS")
	for _, one := range r.Sites {
		state := "real"
		if !one.Resolved {
			state = strings.Join(one.Problems, "\n")
		}
		table.Row(one.Instance, cmp.Or(one.Map, "-"), cmp.Or(one.Link, "-"), cmp.Or(one.Serves, "-"), cmp.Or(one.SAPI, "-"), state)
	}
	return table.String()
}
