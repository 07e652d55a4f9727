package php_test

import (
	"context"
	"fmt"
	"testing"

	"relink/php"
	"relink/php/sandbox"
)

// The size of a usual deploy: 30 instances of a release of 300 scripts, of which
// each instance is asked for one.
const benchLinks, benchScripts = 30, 300

func benchPool(b *testing.B) (p pool, query php.AliasQuery) {
	p = platform{}.start(b, sandbox.Master{Pools: []sandbox.Pool{{Name: "www", Workers: 8}}})
	root := p.release("r1", benchScripts)
	query = php.AliasQuery{Root: root, Known: []string{"s0.php"}}
	for i := range benchLinks {
		query.Links = append(query.Links, p.link(fmt.Sprintf("club%d", i), root))
	}
	for i := range benchScripts {
		query.Scripts = append(query.Scripts, fmt.Sprintf("s%d.php", i))
	}
	p.fill(query)
	b.ResetTimer()
	return p, query
}

// fill compiles the release and has every link ask for one script.
func (p pool) fill(q php.AliasQuery) {
	p.t.Helper()
	var files []string
	for _, s := range q.Scripts {
		files = append(files, q.Root+"/"+s)
	}
	check[php.CompileResult](p.t)(p.Compile(context.Background(), files, 0))
	for _, link := range q.Links {
		p.get(link + "/s0.php")
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
	p, q := benchPool(b)
	for b.Loop() {
		check[[]php.Script](b)(p.Scripts(context.Background(), []string{q.Root}))
	}
}

func BenchmarkAliases(b *testing.B) {
	p, q := benchPool(b)
	for b.Loop() {
		if got := check[php.AliasResult](b)(p.Aliases(context.Background(), q)); len(got.Aliased) != 1 {
			b.Fatalf("%+v", got.Aliased)
		}
	}
}

// BenchmarkInvalidateAliased is the cut-over with nothing left to invalidate but
// one script, which each round compiles and requests again.
func BenchmarkInvalidateAliased(b *testing.B) {
	p, q := benchPool(b)
	for b.Loop() {
		b.StopTimer()
		p.get(q.Links[0] + "/s0.php")
		b.StartTimer()
		if got := check[php.AliasedResult](b)(p.InvalidateAliased(context.Background(), []php.AliasQuery{q})); len(got.Invalidated) != 1 {
			b.Fatalf("%+v", got)
		}
	}
}
