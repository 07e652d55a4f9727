package php_test

import (
	"fmt"
	"testing"

	"relink/php"
	"relink/php/sandbox"

	"github.com/google/go-cmp/cmp"
)

// A key outlives the script that it led to, and leads to it again as soon as
// somebody compiles that script again: zend_accel_add_key() does nothing for a
// key that exists. The day this fails, a PHP has come that needs less of relink.
func testDeadKeysComeBackToLife(t *testing.T, on platform) {
	p := on.start(t, sandbox.Master{})
	old, next := p.release("r1", 1), p.release("r2", 1)
	link := p.link("club", old)
	p.wantBody(link+"/s0.php", "r1")
	check[php.CompileResult](t)(p.Compile(withTimeout(t), []string{next + "/s0.php"}, 0))
	p.link("club", next)
	check[php.Worker](t)(p.Sweep(withTimeout(t)))
	check[php.InvalidateResult](t)(p.Invalidate(withTimeout(t), []string{old + "/s0.php"}, 0))
	p.wantBody(link+"/s0.php", "r2")
	p.wantBody(old+"/s0.php", "r1") // another instance that is still on r1 does this
	p.wantBody(link+"/s0.php", "r1")
}

func testRekey(t *testing.T, on platform) {
	p := on.start(t, sandbox.Master{})
	old, next := p.declaring("r1", 3), p.declaring("r2", 3)
	moved, stays := p.link("moved", old), p.link("stays", old)
	for i := range 3 {
		p.wantBody(fmt.Sprintf("%s/s%d.php", moved, i), "r1")
		p.wantBody(fmt.Sprintf("%s/s%d.php", stays, i), "r1")
	}
	p.wantBody("/"+moved+"/s0.php", "r1")
	for i := range 3 {
		check[php.CompileResult](t)(p.Compile(withTimeout(t), []string{fmt.Sprintf("%s/s%d.php", next, i)}, 0))
	}
	p.link("moved", next)

	keys := check[map[string][]string](t)(p.Keys(withTimeout(t), []string{moved, "/" + moved, stays, "/nowhere"}, []string{"s0.php", "s1.php", "s2.php", "none.php"}))
	all := []string{"s0.php", "s1.php", "s2.php"}
	if diff := cmp.Diff(map[string][]string{moved: all, "/" + moved: {"s0.php"}, stays: all}, keys); diff != "" {
		t.Fatal(diff)
	}

	var rekeyed []php.Key
	var asked []string
	for link, scripts := range map[string][]string{moved: all, "/" + moved: {"s0.php"}} {
		for _, script := range scripts {
			rekeyed = append(rekeyed, php.Key{Path: link + "/" + script, Old: old + "/" + script, New: next + "/" + script})
			asked = append(asked, link+"/"+script)
		}
	}
	for i, target := range check[[]string](t)(p.Targets(withTimeout(t), asked)) {
		if target != rekeyed[i].Old {
			t.Errorf("before: %s leads to %q, want %s", asked[i], target, rekeyed[i].Old)
		}
	}
	if err := p.Rekey(withTimeout(t), rekeyed); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		p.wantBody(fmt.Sprintf("%s/s%d.php", stays, i), "r1") // brings the old scripts back
		p.wantBody(fmt.Sprintf("%s/s%d.php", moved, i), "r2")
	}
	p.wantBody("/"+moved+"/s0.php", "r2")
	for i, target := range check[[]string](t)(p.Targets(withTimeout(t), asked)) {
		if target != rekeyed[i].New {
			t.Errorf("after: %s leads to %q, want %s", asked[i], target, rekeyed[i].New)
		}
	}
}

func testTargetsOfMany(t *testing.T, on platform) {
	p := on.start(t, sandbox.Master{})
	one, two := p.declaring("r1", 40), p.declaring("r2", 40)
	first, second := p.link("first", one), p.link("second", two)
	var keys, want []string
	for i := range 40 {
		for link, root := range map[string]string{first: one, second: two} {
			script := fmt.Sprintf("/s%d.php", i)
			p.get(link + script)
			keys, want = append(keys, link+script), append(want, root+script)
		}
		keys, want = append(keys, fmt.Sprintf("%s/never%d.php", first, i)), append(want, "")
	}
	// The same again: both releases declare the same functions, so that hardly
	// any of them can be loaded beside the others.
	keys, want = append(keys, keys...), append(want, want...)
	got := check[[]string](t)(p.Targets(withTimeout(t), keys))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got := check[[]string](t)(p.Targets(withTimeout(t), nil)); len(got) != 0 {
		t.Errorf("no keys lead to %q", got)
	}
}

// declaring is release, with a function in each script that the same script of
// another release declares too.
func (p pool) declaring(name string, n int) string {
	p.t.Helper()
	root := p.release(name, 0)
	for i := range n {
		p.write(fmt.Sprintf("%s/s%d.php", name, i), fmt.Sprintf("<?php\nfunction f%d() { return %q; }\nclass C%d {}\necho f%d();\n", i, name, i, i))
	}
	return root
}
