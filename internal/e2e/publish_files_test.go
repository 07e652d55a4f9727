package e2e

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"relink/deploy/demo/compare"
)

// measurements are what is published, and where that was measured.
type measurements struct {
	Commit  string        `json:"commit"`
	Date    string        `json:"date"`
	Machine hardware      `json:"machine"`
	Pairs   compare.Pairs `json:"pairs"`
	Kept    []kept        `json:"kept"`
}

// runs are how often a way was measured, the fewest.
func (m measurements) runs() int {
	counts := map[[3]string]int{}
	for _, p := range m.Pairs {
		counts[[3]string{p.Subject, p.Situation, p.Way}]++
	}
	if len(counts) == 0 {
		return 0
	}
	return slices.Min(slices.Collect(maps.Values(counts)))
}

// replace puts what was measured of a subject in some situations in the place of what there
// was of it.
func (m *measurements) replace(pairs compare.Pairs) {
	anew := func(was compare.Pair) bool {
		return slices.ContainsFunc(pairs, func(p compare.Pair) bool { return p.Subject == was.Subject && p.Situation == was.Situation })
	}
	m.Pairs = append(slices.DeleteFunc(m.Pairs, anew), pairs...)
}

// keep puts what was measured of a demand in the place of what there was of it.
func (m *measurements) keep(now []kept) {
	m.Kept = slices.DeleteFunc(m.Kept, func(was kept) bool {
		return slices.ContainsFunc(now, func(k kept) bool { return k.Demand == was.Demand && k.Way == was.Way })
	})
	m.Kept = append(m.Kept, now...)
	slices.SortStableFunc(m.Kept, func(a, b kept) int { return cmp.Or(cmp.Compare(a.Demand, b.Demand), cmp.Compare(a.Way, b.Way)) })
}

// writeJSON writes a document.
func writeJSON(path string, document any) error {
	data, err := json.MarshalIndent(document, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(series.ReplaceAllFunc(data, joined), '\n'), 0o644)
}

// series is a list of numbers, which is written in one line.
var series = regexp.MustCompile(`\[[\s\d,]+\]`)

func joined(list []byte) []byte { return bytes.Join(bytes.Fields(list), nil) }

// readJSON reads one.
func readJSON(path string, document any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, document)
}

// charts of a page, which lie beside it.
var charts = []struct{ file, subject, situation, title string }{
	{"benchmarks-load.svg", compare.Generated.Name, compare.Loaded.Name, "Requests per 100 ms through a deploy: 301 files, 30 sites, under load"},
	{"benchmarks-slow.svg", compare.Generated.Name, compare.SlowLoad.Name, "The same with a request of 5 s in flight"},
	{"benchmarks-mediawiki.svg", "mediawiki", compare.Loaded.Name, "MediaWiki, 10 sites, under load"},
}

// writePage writes the generated parts of a page, and its charts.
func writePage(path string, r measurements) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	filled, err := fillPage(string(text), r)
	if err != nil {
		return err
	}
	errs := []error{os.WriteFile(path, []byte(filled), 0o644)}
	for _, one := range charts {
		errs = append(errs, os.WriteFile(filepath.Join(filepath.Dir(path), one.file), []byte(chartOf(r, one.subject, one.situation, one.title)), 0o644))
	}
	return errors.Join(errs...)
}
