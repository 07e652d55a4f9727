package command

import (
	"fmt"
	"io"
	"testing"

	"relink/health"
	"relink/health/gather"
	"relink/health/render"
	"relink/internal/config"
)

// One pool and 1,000 instances, half of them on another release, fully and
// by a cheap look.
func BenchmarkGather(b *testing.B) {
	for _, cheap := range []bool{false, true} {
		b.Run(fmt.Sprintf("cheap=%t", cheap), func(b *testing.B) {
			s := newScene(b)
			s.release("v2")
			app := &s.deps.Apps[0].App
			for i := range 1000 {
				name := fmt.Sprintf("site%d", i)
				app.Instances = append(app.Instances, config.Instance{Name: name, Link: s.path("www", name)})
				s.link(name, [...]string{"v1", "v2"}[i%2])
			}
			s.fill("many", 500, 1)
			s.deps.Cheap = cheap
			for b.Loop() {
				f := gather.Facts(s.ctx, s.deps)
				if err := render.Prometheus(io.Discard, f, health.Evaluate(f, s.limits)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
