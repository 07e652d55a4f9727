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
