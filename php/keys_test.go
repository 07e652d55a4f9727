package php_test

import (
	"testing"

	"relink/internal/sandbox"
	"relink/php"
)

// A key outlives the script that it led to, and leads to it again as soon as
// somebody compiles that script again: zend_accel_add_key() does nothing for a
// key that exists. The day this fails, a PHP has come that needs less of relink.
func testDeadKeysComeBackToLife(t *testing.T, on platform) {
	p := on.start(t, sandbox.Master{})
	old, next := p.release("r1", 1), p.release("r2", 1)
	link := p.link("club", old)
	p.wantBody(link+"/s0.php", "r1")
	check[[]php.CompiledFile](t)(p.Compile(withTimeout(t), []string{next + "/s0.php"}, 0))
	p.link("club", next)
	check[php.Worker](t)(p.Sweep(withTimeout(t)))
	check[php.InvalidateResult](t)(p.Invalidate(withTimeout(t), []string{old + "/s0.php"}, 0))
	p.wantBody(link+"/s0.php", "r2")
	p.wantBody(old+"/s0.php", "r1") // another instance that is still on r1 does this
	p.wantBody(link+"/s0.php", "r1")
}

// A script that is asked for by a dead key alone is compiled for each request: by a plain
// require, and as the main script of mod_php. PHP-FPM looks for its main script, and
// require_once for a file, by the real path too (persistent_zend_resolve_path). docs/setups.md
// says what that costs.
func testDeadKeysCostACompilation(t *testing.T, on platform) {
	p := on.start(t, sandbox.Master{})
	old, next := p.release("r1", 1), p.release("r2", 1)
	link := p.link("club", old)
	pages := map[string]int64{ // and what each costs a request
		p.write("plain.php", "<?php require '"+link+"/s0.php';"):     1,
		p.write("once.php", "<?php require_once '"+link+"/s0.php';"): 0,
		link + "/s0.php": 0,
	}
	for page := range pages {
		p.wantBody(page, "r1")
	}
	check[[]php.CompiledFile](t)(p.Compile(withTimeout(t), []string{next + "/s0.php"}, 0))
	p.link("club", next)
	check[php.Worker](t)(p.Sweep(withTimeout(t)))
	check[php.InvalidateResult](t)(p.Invalidate(withTimeout(t), []string{old + "/s0.php"}, 0))
	for page, cost := range pages {
		before := check[php.Status](t)(p.Status(withTimeout(t))).Statistics.Misses
		for range 3 {
			p.wantBody(page, "r2")
		}
		if after := check[php.Status](t)(p.Status(withTimeout(t))).Statistics.Misses; after-before != 3*cost {
			t.Errorf("%s: %d scripts compiled in 3 requests, want %d", page, after-before, 3*cost)
		}
	}
}
