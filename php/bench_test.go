package php_test

import (
	"context"
	"fmt"
	"testing"

	"relink/internal/sandbox"
	"relink/php"
)

// The size of a usual deploy: 30 instances of a release of 300 scripts, of which
// each instance is asked for one.
const benchLinks, benchScripts = 30, 300

func benchPool(b *testing.B) (p pool, root string) {
	p = platform{}.start(b, sandbox.Master{Pools: []sandbox.Pool{{Name: "www", Workers: 8}}})
	root = p.release("r1", benchScripts)
	for i := range benchLinks {
		p.link(fmt.Sprintf("club%d", i), root)
	}
	p.fill(root)
	b.ResetTimer()
	return p, root
}

// fill compiles the release and has every link ask for one script.
func (p pool) fill(root string) {
	p.t.Helper()
	var files []string
	for i := range benchScripts {
		files = append(files, fmt.Sprintf("%s/s%d.php", root, i))
	}
	check[[]php.CompiledFile](p.t)(p.Compile(context.Background(), files, 0))
	for i := range benchLinks {
		p.get(fmt.Sprintf("%s/club%d/s0.php", p.www, i))
	}
}

func BenchmarkSweep(b *testing.B) {
	p, _ := benchPool(b)
	for b.Loop() {
		check[php.Worker](b)(p.Sweep(context.Background()))
	}
}

func BenchmarkStatus(b *testing.B) {
	p, _ := benchPool(b)
	for b.Loop() {
		check[php.Status](b)(p.Status(context.Background()))
	}
}

func BenchmarkScripts(b *testing.B) {
	p, root := benchPool(b)
	for b.Loop() {
		check[[]php.Script](b)(p.Scripts(context.Background(), []string{root}))
	}
}

// BenchmarkInvalidateBelow is the cut-over of a release: each round compiles it again.
func BenchmarkInvalidateBelow(b *testing.B) {
	p, root := benchPool(b)
	for b.Loop() {
		b.StopTimer()
		p.fill(root)
		b.StartTimer()
		if got := check[php.BelowResult](b)(p.InvalidateBelow(context.Background(), []string{root})); got.Invalidated != benchScripts {
			b.Fatalf("%+v", got)
		}
	}
}
