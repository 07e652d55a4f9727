package e2e

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"relink/deploy/demo/compare"
	"relink/deploy/demo/compare/publish"
)

// packages is where the large application is kept.
const packages = "../../.cache/app"

// say tells at once what has been measured: a benchmark's log comes at its end, in part.
func say(format string, values ...any) {
	fmt.Fprintf(os.Stderr, "%s "+format+"\n", append([]any{time.Now().Format(time.TimeOnly)}, values...)...)
}

// program is relink as it is delivered.
func program(b *testing.B) string {
	b.Helper()
	path, err := exec.LookPath(delivered)
	if err != nil {
		b.Fatal(err)
	}
	return path
}

// BenchmarkAcceptance measures what is asked of a deploy, in each set-up with PHP-FPM.
func BenchmarkAcceptance(b *testing.B) {
	for _, demand := range compare.Demands(packages) {
		for _, way := range compare.Relink[:3] {
			b.Run(demand.Name+"/"+way.Name, func(b *testing.B) {
				for b.Loop() {
					kept, err := demand.Meet(b.Context(), way, program(b), say)
					if err != nil {
						b.Fatal(err)
					}
					fmt.Print(compare.Asked(kept))
					keepAsked(b, kept)
				}
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

// publishVariable is the environment variable that has BenchmarkAcceptance publish, too.
const publishVariable = "RELINK_PUBLISH"

// keepAsked puts what was measured in the place of what was published of the same demand.
func keepAsked(b *testing.B, kept []compare.Kept) {
	b.Helper()
	if os.Getenv(publishVariable) == "" {
		return
	}
	result := readResult(b)
	result.Keep(kept)
	if err := errors.Join(publish.WriteJSON(results, result), publish.Page(resultPage, result)); err != nil {
		b.Fatal(err)
	}
}

// Where the measurements are published, and what later ones are held against.
const (
	results    = "../../docs/benchmarks.json"
	resultPage = "../../docs/benchmarks.md"
	ratiosFile = "testdata/ratios.json"
)

// compareRounds are those of the comparison.
const compareRounds = 5

// smallLongest bounds the windows without a deploy of the small application.
const smallLongest = 3 * time.Second

// comparison is what is published: about 18 minutes.
func comparison(b *testing.B) compare.Comparison {
	large := slices.DeleteFunc(compare.Ways(), func(w compare.Way) bool { return slices.Contains([]string{"invalidate", "revalidated"}, w.Name) })
	return compare.Comparison{
		Plans: []compare.Plan{
			{Subject: compare.Generated, Ways: compare.Ways(), Situations: []compare.Situation{compare.Idle, compare.Loaded, compare.SlowLoad}, Longest: smallLongest},
			{Subject: compare.MediaWiki(packages), Ways: large, Situations: []compare.Situation{compare.Loaded}, Longest: 5 * time.Second},
		},
		Rounds: compareRounds, Executable: program(b), Say: say,
	}
}

// BenchmarkCompare measures each way to deploy, and publishes it in docs.
func BenchmarkCompare(b *testing.B) {
	result := compare.Result{Commit: commit(b), Date: time.Now().UTC().Format(time.DateOnly), Machine: publish.ThisMachine(b.Context()), Kept: readResult(b).Kept}
	all := comparison(b)
	all.Each = func(soFar []compare.Pair) error {
		result.Pairs, result.Rounds = soFar, soFar[len(soFar)-1].Round
		return errors.Join(publish.WriteJSON(results, result), publish.WriteJSON(ratiosFile, publish.Ratios(result)), publish.Page(resultPage, result))
	}
	for b.Loop() {
		if _, err := compare.Run(b.Context(), all); err != nil {
			b.Fatal(err)
		}
	}
}

// commit is that of what is measured.
func commit(b *testing.B) string {
	b.Helper()
	out, err := exec.Command("git", "rev-parse", "--short=12", "HEAD").Output()
	if err != nil {
		b.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// readResult is empty where nothing was published.
func readResult(b *testing.B) (result compare.Result) {
	b.Helper()
	if err := publish.ReadJSON(results, &result); err != nil && !errors.Is(err, fs.ErrNotExist) {
		b.Fatal(err)
	}
	return result
}

// checked is what is measured for the ratios.
func checked(b *testing.B) compare.Comparison {
	ways := append([]compare.Way{compare.ByHand[0]}, publish.Checked...)
	return compare.Comparison{
		Plans:  []compare.Plan{{Subject: compare.Generated, Ways: ways, Situations: []compare.Situation{compare.Loaded}, Longest: smallLongest}},
		Rounds: compareRounds, Executable: program(b), Say: say,
	}
}

// BenchmarkCheck fails where a ratio has become worse by more than its spread.
func BenchmarkCheck(b *testing.B) {
	var was []publish.Ratio
	if err := publish.ReadJSON(ratiosFile, &was); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		pairs, err := compare.Run(b.Context(), checked(b))
		if err != nil {
			b.Fatal(err)
		}
		now := publish.Ratios(compare.Result{Pairs: pairs})
		fmt.Print(publish.Compared(was, now))
		for _, worse := range publish.Worsened(was, now) {
			b.Error(worse)
		}
	}
}
