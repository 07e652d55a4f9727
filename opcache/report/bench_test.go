package report

import (
	"fmt"
	"io"
	"testing"

	"relink/internal/ui"
)

// Build and every format, for a usual cache and a very large one.
func BenchmarkReport(b *testing.B) {
	for _, n := range []int{6000, 50000} {
		sample, apps := manyScripts(n)
		before := sample.Totals(apps)
		r := Build(sample, &before, apps, Options{Top: 20})
		for _, work := range []struct {
			name string
			do   func() error
		}{
			{"build", func() error { Build(sample, &before, apps, Options{Top: 20}); return nil }},
			{"totals", func() error { sample.Totals(apps); return nil }},
			{"text", func() error { return r.Text(io.Discard, TextOptions{}) }},
			{"json", func() error { return ui.JSON(io.Discard, r) }},
			{"prometheus", func() error { return r.Prometheus(io.Discard) }},
			{"csv", func() error { return r.CSV(io.Discard) }},
			{"html", func() error { return r.HTML(io.Discard) }},
		} {
			b.Run(fmt.Sprintf("%s/%d", work.name, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if err := work.do(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
