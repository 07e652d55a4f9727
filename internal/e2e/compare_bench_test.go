package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"relink/deploy/demo/compare"
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
					fmt.Print(demand.Table(way, kept))
				}
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}
