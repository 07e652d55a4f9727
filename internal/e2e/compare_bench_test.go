package e2e

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"relink/deploy/demo/compare"
	"relink/internal/sandbox/app"
)

// mediaWiki is a large application: some 23,500 files, of which a deploy changes two.
func mediaWiki() compare.Subject {
	return compare.Subject{
		Name: "mediawiki", About: "MediaWiki from Debian's packages, of whose files a deploy changes 2",
		Make:  func(ctx context.Context, dir string) (*app.Line, error) { return app.MediaWiki(ctx, "", dir) },
		Sites: 10, Clients: 3, Rate: 3, Memory: 512, Visit: 4 * time.Second, Tail: 4 * time.Second,
	}
}

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
	for _, demand := range demands() {
		for _, way := range compare.Relink[:3] {
			b.Run(demand.Name+"/"+way.Name, func(b *testing.B) {
				for b.Loop() {
					kept, err := demand.meet(b.Context(), way, program(b), say)
					if err != nil {
						b.Fatal(err)
					}
					fmt.Print(askedTable(kept))
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
func keepAsked(b *testing.B, kept []kept) {
	b.Helper()
	if os.Getenv(publishVariable) == "" {
		return
	}
	result := readResult(b)
	result.keep(kept)
	if err := errors.Join(writeJSON(results, result), writePage(resultPage, result)); err != nil {
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
const smallLongest = 2 * time.Second

// compared are what is published, by what the benchmarks are called: a quarter of an hour,
// five minutes, and half an hour.
func compared() map[string]compare.Plan {
	return map[string]compare.Plan{
		"generated":      {Subject: compare.Generated, Ways: compare.Ways(), Situations: []compare.Situation{compare.Loaded, compare.SlowLoad}, Longest: smallLongest},
		"generated-idle": {Subject: compare.Generated, Ways: compare.Ways(), Situations: []compare.Situation{compare.Idle}, Longest: smallLongest},
		"mediawiki":      {Subject: mediaWiki(), Ways: compare.Ways(), Situations: []compare.Situation{compare.Loaded}, Longest: 5 * time.Second},
	}
}

// BenchmarkCompare measures each way to deploy, and publishes it in docs after each round.
func BenchmarkCompare(b *testing.B) {
	for name, plan := range compared() {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				published := func(soFar compare.Pairs) error { return publishPairs(b, soFar) }
				if _, err := compare.Run(b.Context(), compare.Comparison{
					Plans: []compare.Plan{plan}, Rounds: compareRounds, Executable: program(b), Say: say, Each: published,
				}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func publishPairs(b *testing.B, pairs compare.Pairs) error {
	result := readResult(b)
	result.Commit, result.Date, result.Machine = commit(b), time.Now().UTC().Format(time.DateOnly), thisMachine(b.Context())
	result.replace(pairs)
	return errors.Join(writeJSON(results, result), writeJSON(ratiosFile, ratiosOf(result)), writePage(resultPage, result))
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
func readResult(b *testing.B) (result measurements) {
	b.Helper()
	if err := readJSON(results, &result); err != nil && !errors.Is(err, fs.ErrNotExist) {
		b.Fatal(err)
	}
	return result
}

// checked is what is measured for the ratios.
func checked(b *testing.B) compare.Comparison {
	ways := append([]compare.Way{compare.ByHand[0]}, checkedWays...)
	return compare.Comparison{
		Plans:  []compare.Plan{{Subject: compare.Generated, Ways: ways, Situations: []compare.Situation{compare.Loaded}, Longest: smallLongest}},
		Rounds: compareRounds, Executable: program(b), Say: say,
	}
}

// BenchmarkCheck fails where a ratio has become worse by more than its spread.
func BenchmarkCheck(b *testing.B) {
	var was []ratio
	if err := readJSON(ratiosFile, &was); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		pairs, err := compare.Run(b.Context(), checked(b))
		if err != nil {
			b.Fatal(err)
		}
		now := ratiosOf(measurements{Pairs: pairs})
		fmt.Print(bothRatios(was, now))
		for _, worse := range worsened(was, now) {
			b.Error(worse)
		}
	}
}
