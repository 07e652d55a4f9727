package publish

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"

	"relink/deploy/demo/compare"
)

// WriteJSON writes a document.
func WriteJSON(path string, document any) error {
	data, err := json.MarshalIndent(document, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(series.ReplaceAllFunc(data, joined), '\n'), 0o644)
}

// series is a list of numbers, which is written in one line.
var series = regexp.MustCompile(`\[[\s\d,]+\]`)

func joined(list []byte) []byte { return bytes.Join(bytes.Fields(list), nil) }

// ReadJSON reads one.
func ReadJSON(path string, document any) error {
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

// Page writes the generated parts of a page, and its charts.
func Page(path string, r compare.Result) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	filled, err := Fill(string(text), r)
	if err != nil {
		return err
	}
	errs := []error{os.WriteFile(path, []byte(filled), 0o644)}
	for _, one := range charts {
		errs = append(errs, os.WriteFile(filepath.Join(filepath.Dir(path), one.file), []byte(Chart(r, one.subject, one.situation, one.title)), 0o644))
	}
	return errors.Join(errs...)
}
