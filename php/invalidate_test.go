package php_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"relink/internal/sandbox"
	"relink/php"

	"github.com/google/go-cmp/cmp"
)

func testInvalidateManyRequests(t *testing.T, on platform) {
	p := on.start(t, sandbox.Master{})
	root := p.release("r1", 2)
	p.get(root + "/s0.php")
	p.get(root + "/s1.php")
	files := []string{root + "/s0.php"}
	for i := range 5000 {
		files = append(files, fmt.Sprintf("%s/%s/%d.php", root, strings.Repeat("never-cached/", 10), i))
	}
	files = append(files, root+"/s1.php")
	got := check[php.InvalidateResult](t)(p.Invalidate(withTimeout(t), files, 0))
	if diff := cmp.Diff(php.InvalidateResult{Invalidated: 2, Next: len(files)}, got); diff != "" {
		t.Error(diff)
	}
	none := check[php.InvalidateResult](t)(p.Invalidate(withTimeout(t), nil, 0))
	if diff := cmp.Diff(php.InvalidateResult{}, none); diff != "" {
		t.Error(diff)
	}
}

func testInvalidateBudget(t *testing.T, on platform) {
	p := on.start(t, sandbox.Master{})
	root := p.release("r1", 3)
	var files []string
	for i := range 3 {
		files = append(files, fmt.Sprintf("%s/s%d.php", root, i))
		p.get(files[i])
	}
	total := 0
	for rest, calls := files, 0; len(rest) > 0; calls++ {
		got := check[php.InvalidateResult](t)(p.Invalidate(withTimeout(t), rest, time.Microsecond))
		if got.Next < 1 || calls > len(files) {
			t.Fatalf("no progress: %+v", got)
		}
		total, rest = total+got.Invalidated, rest[got.Next:]
	}
	if total != 3 {
		t.Errorf("%d invalidated, want 3", total)
	}
}

func testInvalidateDeleted(t *testing.T, on platform) {
	p := on.start(t, sandbox.Master{})
	root := p.release("r1", 1)
	path := root + "/s0.php"
	p.get(path)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	check[php.Worker](t)(p.Sweep(withTimeout(t)))
	got := check[php.InvalidateResult](t)(p.Invalidate(withTimeout(t), []string{path}, 0))
	want := php.InvalidateResult{Invalidated: 1, Next: 1}
	if version := check[php.Worker](t)(p.Ping(withTimeout(t))).PHPVersion; strings.HasPrefix(version, "7.") {
		want = php.InvalidateResult{Failed: []string{path}, Next: 1}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
