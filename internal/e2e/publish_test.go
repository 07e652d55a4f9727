package e2e

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"relink/deploy/demo/compare"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var update = flag.Bool("update", false, "write the page and its charts anew from what was measured")

// What later measurements are held against is of the published one.
func TestRatiosAreOfTheMeasurements(t *testing.T) {
	var result measurements
	if err := readJSON(results, &result); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := writeJSON(ratiosFile, ratiosOf(result)); err != nil {
			t.Fatal(err)
		}
	}
	var written []ratio
	if err := readJSON(ratiosFile, &written); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(ratiosOf(result), written, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s is not of docs/benchmarks.json: go test -run Measurements ./internal/e2e -update\n%s", ratiosFile, diff)
	}
}

// The manual's page shows what was measured, and nothing else.
func TestPageIsOfItsMeasurements(t *testing.T) {
	var result measurements
	if err := readJSON(results, &result); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := writePage(resultPage, result); err != nil {
			t.Fatal(err)
		}
	}
	is := textOf(resultPage)
	filled, err := fillPage(is, result)
	if err != nil || filled != is {
		t.Errorf("docs/benchmarks.md is not of docs/benchmarks.json (%v): go test -run Measurements ./internal/e2e -update", err)
	}
	for _, one := range charts {
		if textOf(filepath.Join(filepath.Dir(resultPage), one.file)) != chartOf(result, one.subject, one.situation, one.title) {
			t.Errorf("docs/%s is not of docs/benchmarks.json", one.file)
		}
	}
}

func examples() measurements {
	pair := func(way string, round int, worst float64) compare.Pair {
		return compare.Pair{
			Subject: "generated", Situation: "load", Way: way, Round: round, Files: 301, Misses: 10, CacheBytes: 3 << 20, Written: 5 << 20, FilesWritten: 7, CPUMS: 500,
			During: compare.Seen{LengthMS: 2000, Answered: 900, PerSecond: 450, WorstMS: worst, P99MS: 9, OpenMS: worst},
			Calm:   compare.Seen{LengthMS: 2000, Answered: 1000, PerSecond: 500, WorstMS: 10, P99MS: 6, OpenMS: 10}, Command: compare.Seen{LengthMS: 1000},
			Late: 450, Series: []int{50, 50, 50, 50, 50, 50, 50, 50, 50, 50, 0, 0, 50, 80},
		}
	}
	return measurements{Pairs: compare.Pairs{
		pair("none", 1, 10), pair("reload-0", 1, 500), pair("resolved", 1, 12), pair("resolved", 2, 15), pair("resolved", 3, 11),
	}}
}

func TestWays(t *testing.T) {
	const want = "| relink, resolved | 0 | 0 | 1.20 (1.10-1.50) | 1.20 (1.10-1.50) | 1.50 (1.50-1.50) | 0.90 (0.90-0.90) | 1.00 s | 10 | 3.0 MB | 5.0 MB |\n"
	if got := ways(examples(), "generated", "load"); !strings.Contains(got, want) {
		t.Errorf("%s\nhas no line\n%s", got, want)
	}
}

// What went wrong is told: failed and old answers, a slow request, an emptied cache.
func TestCells(t *testing.T) {
	broken := compare.Pair{Old: 3, Late: 450, Restarted: true, Slow: &compare.Slow{Problem: "status 502"}, During: compare.Seen{Answered: 997, Failed: 2}}
	got := strings.Join(cells(compare.Way{Name: "x"}, compare.Pairs{broken}), "|")
	for _, want := range []string{"2 of 1,000, and 1 of 1 slow ones|3 of 450|", "|emptied|"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not told in %s", want, got)
		}
	}
}

func TestFill(t *testing.T) {
	const text = "# Title\n<!-- measured: generated/load -->\nold\n<!-- end -->\nend\n"
	filled, err := fillPage(text, examples())
	if err != nil || !strings.Contains(filled, "| no deploy | 0 |") || strings.Contains(filled, "old\n") || !strings.HasSuffix(filled, "<!-- end -->\nend\n") {
		t.Errorf("%v:\n%s", err, filled)
	}
	if again, err := fillPage(filled, examples()); err != nil || again != filled {
		t.Errorf("a perTick time something else: %v\n%s", err, again)
	}
	if _, err := fillPage("<!-- measured: nothing -->\n<!-- end -->", examples()); err == nil {
		t.Error("a part that is not known is no error")
	}
}

// The chart has a row for each way that was measured, with its requests.
func TestChart(t *testing.T) {
	svg := chartOf(examples(), "generated", "load", "Title & more")
	if strings.Count(svg, "<path") != 3 || !strings.Contains(svg, "prefers-color-scheme: dark") || strings.Contains(svg, "Title & more") {
		t.Error(svg)
	}
}

// A ratio may be worse by its spread and no more; one that is missing is told.
func TestWorsened(t *testing.T) {
	was := []ratio{
		{"a", false, compare.Spread{Median: 1.2, Least: 1, Most: 1.5}},
		{"served", true, compare.Spread{Median: 0.9, Least: 0.8, Most: 1}},
		{"counted", false, compare.Spread{Median: 0.01, Least: 0.01, Most: 0.01}},
	}
	same := []ratio{{Name: "a", Spread: compare.Spread{Median: 1.69}}, {Name: "served", Spread: compare.Spread{Median: 0.71}}, {Name: "counted", Spread: compare.Spread{Median: 0.02}}}
	if told := worsened(was, same); len(told) != 0 {
		t.Errorf("within the spread: %q", told)
	}
	worse := []ratio{{Name: "a", Spread: compare.Spread{Median: 1.71}}, {Name: "served", Spread: compare.Spread{Median: 0.69}}, {Name: "counted", Spread: compare.Spread{Median: 1}}}
	if told := worsened(was, worse); len(told) != 3 {
		t.Errorf("beyond the spread: %q", told)
	}
	if told := worsened(was, worse[1:]); len(told) != 3 || !strings.Contains(told[0], "a: not measured") {
		t.Errorf("missing: %q", told)
	}
}

func TestRatios(t *testing.T) {
	all := ratiosOf(examples())
	if len(all) != len(kinds) || all[0].Name != "resolved: worst wait / without a deploy" || all[0].Median != 1.2 || all[0].Most != 1.5 {
		t.Errorf("%+v", all)
	}
}

func TestJSON(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.json")
	if err := writeJSON(path, examples()); err != nil {
		t.Fatal(err)
	}
	var back measurements
	if err := readJSON(path, &back); err != nil || len(back.Pairs) != 5 || len(back.Pairs[0].Series) != 14 {
		t.Errorf("%v: %+v", err, back)
	}
	if data, err := os.ReadFile(path); err != nil || !strings.Contains(string(data), "[50,50,50,") {
		t.Errorf("%v: a series is not in one line:\n%s", err, data)
	}
}
