package e2e

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"relink/deploy/outcome"
	"relink/internal/pace"
	"relink/internal/sandbox/app"
)

// size is of a server: how many sites, workers of PHP-FPM, and scripts of the
// application, all of which the cache holds.
type size struct{ instances, workers, scripts int }

func (s size) String() string {
	return fmt.Sprintf("%d-instances/%d-workers/%d-scripts", s.instances, s.workers, s.scripts)
}

// The curves: one figure varies, the others are those of a middling server. The last
// is a large one.
var sizes = []size{
	{1, 8, 300}, {30, 8, 300}, {300, 8, 300}, {1000, 8, 300},
	{30, 2, 300}, {30, 64, 300},
	{30, 8, 30}, {30, 8, 3000},
	{1000, 64, 30},
}

const (
	scaleDeploys = 6 // of each size, the first of which is not counted
	shortVisit   = 500 * time.Millisecond
	calmWithin   = 30 * time.Second
	calmPoll     = 100 * time.Millisecond
)

// BenchmarkScale tells what deploys of all scripts to all instances cost, by the size
// of the server: the whole command, its steps and the cut-over, as the report has them,
// and what the program itself takes of processors. Between them each page is visited;
// the cut-over under a load is BenchmarkCutOver's.
func BenchmarkScale(b *testing.B) {
	var rows []string
	for _, p := range underFPM[1:] {
		for _, s := range sizes {
			b.Run(p.name+"/"+s.String(), func(b *testing.B) {
				c := newScale(b, p, s)
				for b.Loop() {
					m := costs{}
					for i := range scaleDeploys {
						m.add(i, c)
					}
					m.report(b)
					rows = append(rows, m.row(p, s))
					publishScale(b, rows)
				}
			})
		}
	}
}

// row is of the table in docs/benchmarks.md.
func (m *costs) row(p plan, s size) string {
	names := slices.SortedFunc(slices.Values(m.names), func(a, b string) int { return cmp.Compare(middle(m.steps[b]), middle(m.steps[a])) })
	longest := make([]string, min(len(names), longestSteps))
	for i := range longest {
		longest[i] = fmt.Sprintf("%s %.0f", names[i], middle(m.steps[names[i]]))
	}
	return fmt.Sprintf("| %s | %d | %d | %d | %.1f | %.0f | %.0f | %s |\n", p.name, s.instances, s.workers, s.scripts,
		middle(m.cutOver), middle(m.whole), middle(m.processor), strings.Join(longest, ", "))
}

const (
	longestSteps = 4

	scaleBegins = "<!-- scale -->\n"
	scaleEnds   = "<!-- end of scale -->"
	scaleHead   = "| set-up | instances | workers | scripts | cut-over, ms | command, ms | processor, ms | longest steps, ms |\n|---|--:|--:|--:|--:|--:|--:|---|\n"
)

// publishScale puts the rows in place of those that were published.
func publishScale(b *testing.B, rows []string) {
	b.Helper()
	if os.Getenv(publishVariable) == "" {
		return
	}
	page, err := os.ReadFile(resultPage)
	if err != nil {
		b.Fatal(err)
	}
	before, rest, begins := strings.Cut(string(page), scaleBegins)
	_, after, ends := strings.Cut(rest, scaleEnds)
	if !begins || !ends {
		b.Fatalf("%s has no place for the table", resultPage)
	}
	machine := thisMachine(b.Context())
	text := fmt.Sprintf("%s, commit %s; %s, %s of memory.\n\n", time.Now().UTC().Format(time.DateOnly), commit(b), machine.CPU, machine.Memory)
	if err := os.WriteFile(resultPage, []byte(before+scaleBegins+text+scaleHead+strings.Join(rows, "")+scaleEnds+after), 0o644); err != nil {
		b.Fatal(err)
	}
}

func newScale(b *testing.B, p plan, s size) *city {
	p.workers = s.workers
	c := newCity(b, p, func(ctx context.Context, dir string) (app.App, error) { return syntheticApp(ctx, dir, s.scripts) }, s.instances)
	c.app.Paths = append(c.app.Paths, fmt.Sprintf("/index.php?n=%d", s.scripts-1))
	c.relink("deploy", "v1", "--all")
	c.visitFor(shortVisit)
	return c
}

// costs are of several deploys, in milliseconds: of the whole command, of its
// processor time, of its cut-over and of its steps.
type costs struct {
	whole, processor, cutOver []float64
	steps                     map[string][]float64
	names                     []string // of the steps, in order
}

// add makes the n-th deploy, on a server that has calmed down: on a full one relink asks
// fewer sites at the same time.
func (m *costs) add(n int, c *city) {
	for waited := time.Duration(0); pace.Crowded() && waited < calmWithin; waited += calmPoll {
		c.must(pace.Wait(c.ctx, calmPoll))
	}
	began := time.Now()
	report, ended := c.relink("deploy", []string{"v2", "v1"}[n%2], "--all", "--reset", "smart")
	c.visitFor(shortVisit)
	if n == 0 { // the slot is made
		return
	}
	m.whole = append(m.whole, ms(ended.Sub(began)))
	m.processor = append(m.processor, ms(c.spent))
	m.cutOver = append(m.cutOver, report.CutoverMS)
	m.addSteps(report)
}

func (m *costs) addSteps(report outcome.Report) {
	if m.steps == nil {
		m.steps = map[string][]float64{}
	}
	for _, one := range report.Steps {
		if m.steps[one.Name] == nil {
			m.names = append(m.names, one.Name)
		}
		m.steps[one.Name] = append(m.steps[one.Name], one.MS)
	}
}

func (m *costs) report(b *testing.B) {
	b.ReportMetric(middle(m.whole), "whole-ms")
	b.ReportMetric(middle(m.processor), "cpu-ms")
	b.ReportMetric(middle(m.cutOver), "cutover-ms")
	for _, name := range m.names {
		if took := middle(m.steps[name]); took >= 1 {
			b.ReportMetric(took, name+"-ms")
		}
	}
	b.ReportMetric(0, "ns/op")
}
