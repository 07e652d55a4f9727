package php_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"relink/php"
	"relink/php/sandbox"

	"github.com/google/go-cmp/cmp"
)

func testAliases(t *testing.T, on platform) {
	p := on.start(t, sandbox.Master{})
	root := p.release("r1", 4)
	one, two, never := p.link("club1", root), p.link("club 2 é", root), p.link("club3", root)
	p.get(one + "/s0.php")
	p.get("/" + one + "/s1.php") // as Apache's "fcgi://localhost/" sends it
	p.get(two + "/s0.php")
	p.get(root + "/s2.php") // live, but under its real path only

	ask := func(scripts []string) php.AliasResult {
		query := php.AliasQuery{Root: root, Links: []string{one, "/" + one, two, never, one}, Scripts: scripts}
		return check[php.AliasResult](t)(p.Aliases(withTimeout(t), query))
	}
	want := php.AliasResult{Aliased: []string{"s0.php", "s1.php"}, PerLink: map[string]int{one: 1, "/" + one: 1, two: 1, never: 0}}
	if diff := cmp.Diff(want, ask(nil)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(want, ask([]string{"s3.php", "s2.php", "s1.php", "s0.php", "none.php"})); diff != "" {
		t.Error(diff)
	}

	// A key is looked up literally, never resolved: moving the link changes nothing.
	other := p.release("r2", 4)
	p.link("club1", other)
	p.link("club3", other)
	if diff := cmp.Diff(want, ask(nil)); diff != "" {
		t.Error("after the move:", diff)
	}

	// Once the old script is no longer live, a key that leads to the new release does not count.
	check[php.InvalidateResult](t)(p.Invalidate(withTimeout(t), []string{root + "/s0.php", root + "/s1.php"}, 0))
	check[php.Worker](t)(p.Sweep(withTimeout(t)))
	p.wantBody(one+"/s0.php", "r2")
	if got := ask(nil); len(got.Aliased) != 0 {
		t.Errorf("%+v", got)
	}
}

func testAliasesInManyRequests(t *testing.T, on platform) {
	p := on.start(t, sandbox.Master{})
	root := p.release("r1", 3)
	link := p.link("club", root)
	p.get(link + "/s0.php")
	p.get(link + "/s2.php")
	links := []string{}
	for i := range 999 {
		links = append(links, fmt.Sprintf("%s-%d", link, i))
	}
	links = append(links, link)
	scripts := []string{"s2.php"}
	for i := range 6000 {
		scripts = append(scripts, fmt.Sprintf("vendor/%s/%d.php", strings.Repeat("deep/", 10), i))
	}
	scripts = append(scripts, "s0.php")
	for name, scripts := range map[string][]string{"given": scripts, "listed": nil} {
		got := check[php.AliasResult](t)(p.Aliases(withTimeout(t), php.AliasQuery{Root: root, Links: links, Scripts: scripts}))
		if diff := cmp.Diff([]string{"s0.php", "s2.php"}, got.Aliased); diff != "" || got.PerLink[link] != 2 || len(got.PerLink) != 1000 {
			t.Errorf("%s: %s %d keys of %d links", name, diff, got.PerLink[link], len(got.PerLink))
		}
	}
	done := check[php.AliasedResult](t)(p.InvalidateAliased(withTimeout(t),
		[]php.AliasQuery{{Root: root, Links: links, Known: []string{"s2.php", "s1.php"}}}))
	if diff := cmp.Diff([]string{root + "/s2.php", root + "/s0.php"}, done.Invalidated); diff != "" {
		t.Error(diff)
	}
}

// cutOver moves a link and proves that the old release is served until its
// aliased scripts are invalidated, and not afterwards.
func cutOver(t *testing.T, p pool) php.AliasedResult {
	old, next := p.release("r1", 3), p.release("r2", 3)
	link := p.link("club", old)
	p.wantBody(link+"/s0.php", "r1")
	p.wantBody(link+"/s1.php", "r1")
	p.wantBody(old+"/s2.php", "r1")
	p.link("club", next)
	check[php.Worker](t)(p.Sweep(withTimeout(t)))
	p.wantBody(link+"/s0.php", "r1")
	before := time.Now()
	done := check[php.AliasedResult](t)(p.InvalidateAliased(withTimeout(t),
		[]php.AliasQuery{{Root: old, Links: []string{link}, Known: []string{"s1.php", "gone.php"}}}))
	if done.Last.Before(before.Add(-time.Millisecond)) || done.Last.After(time.Now().Add(time.Millisecond)) || len(done.Failed) > 0 {
		t.Errorf("%+v", done)
	}
	p.wantBody(link+"/s0.php", "r2")
	p.wantBody(link+"/s1.php", "r2")
	again := check[php.AliasedResult](t)(p.InvalidateAliased(withTimeout(t), []php.AliasQuery{{Root: old, Links: []string{link}, Known: []string{"s0.php"}}}))
	if len(again.Invalidated) != 0 && !again.Assumed {
		t.Errorf("invalidated twice: %q", again.Invalidated)
	}
	for i, path := range done.Invalidated {
		done.Invalidated[i] = strings.TrimPrefix(path, old+"/")
	}
	return done
}

func testCutOver(t *testing.T, on platform) {
	done := cutOver(t, on.start(t, sandbox.Master{}))
	if diff := cmp.Diff([]string{"s1.php", "s0.php"}, done.Invalidated); diff != "" || done.Assumed {
		t.Error(diff, done)
	}
}

func testCutOverWithTimestamps(t *testing.T, on platform) {
	done := cutOver(t, on.start(t, sandbox.Master{INI: map[string]string{"opcache.validate_timestamps": "1"}}))
	if diff := cmp.Diff([]string{"s1.php", "s0.php"}, done.Invalidated); diff != "" || done.Assumed {
		t.Error(diff, done)
	}
}

// Where the agent may not switch timestamps off, it cannot trust a key that is
// denied, and takes every live script for an alias.
func testLockedTimestamps(t *testing.T, on platform) {
	locked := sandbox.Pool{Name: "www", Workers: 1, Settings: map[string]string{"php_admin_value[opcache.validate_timestamps]": "1"}}
	done := cutOver(t, on.start(t, sandbox.Master{Pools: []sandbox.Pool{locked}}))
	slices.Sort(done.Invalidated)
	if diff := cmp.Diff([]string{"s0.php", "s1.php", "s2.php"}, done.Invalidated); diff != "" || !done.Assumed {
		t.Error(diff, done)
	}
}
