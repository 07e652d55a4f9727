package webmap_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"relink/deploy/webmap"

	"github.com/google/go-cmp/cmp"
)

func TestWriteAndRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "booking.map")
	if err := webmap.Write(path, webmap.Map{"zürich": "v2", "club1.example.org": "20260101T000000Z-v1"}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, body, _ := strings.Cut(string(text), "club1")
	if !strings.HasPrefix(head, "# ") || body != ".example.org 20260101T000000Z-v1\nzürich v2\n" {
		t.Errorf("the file is\n%s", text)
	}
	got, err := webmap.Read(path)
	if diff := cmp.Diff(webmap.Map{"club1.example.org": "20260101T000000Z-v1", "zürich": "v2"}, got); diff != "" || err != nil {
		t.Error(err, diff)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o644 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	onlyFile(t, path)
}

func TestWriteRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m")
	for _, bad := range []webmap.Map{
		{"": "v1"}, {"a b": "v1"}, {"a\nb": "v1"}, {"#a": "v1"}, {"a\x00": "v1"}, {"a\u00a0b": "v1"}, {"a\xff": "v1"},
		{"a": ""}, {"a": "v 1"}, {"a": "v\t1"}, {"a": ".."}, {"a": ".v1"}, {"a": "../v1"}, {"a": "x/v1"}, {"a": "v\x7f"},
		{strings.Repeat("a", 1000): "v1"},
	} {
		if err := webmap.Write(path, bad); !errors.Is(err, webmap.ErrEntry) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestStagedIsNotThereYet(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m")
	if err := webmap.Write(path, webmap.Map{"a": "v1"}); err != nil {
		t.Fatal(err)
	}
	for _, commit := range []bool{false, true} {
		staged, err := webmap.Prepare(path, webmap.Map{"a": "v2"})
		if err != nil {
			t.Fatal(err)
		}
		want := "v1"
		if wantRelease(t, path, want); commit {
			want, err = "v2", errors.Join(staged.Commit(), staged.Sync())
		} else {
			err = staged.Discard()
		}
		if err != nil {
			t.Fatal(err)
		}
		wantRelease(t, path, want)
		onlyFile(t, path)
	}
}

// Two maps in one tick of the kernel's clock, and maps from the future.
func TestEachCommitIsLater(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m")
	seen := map[int64]bool{}
	write := func(n int) {
		t.Helper()
		if err := webmap.Write(path, webmap.Map{"a": fmt.Sprint("v", n)}); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if micro := info.ModTime().UnixMicro(); seen[micro] {
			t.Fatalf("map %d has the time of an earlier one", n)
		} else {
			seen[micro] = true
		}
	}
	for n := range 100 {
		write(n)
	}
	future := time.Now().Add(time.Hour)
	if err := os.Chtimes(path, future, future); err != nil {
		t.Fatal(err)
	}
	seen[future.UnixMicro()] = true
	for n := range 10 {
		write(n)
	}
}

func TestReadIsTolerant(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m")
	text := "# comment\n\n a v0\na v1 more\nb\na v2\nc\tv3"
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	got, err := webmap.Read(path)
	if diff := cmp.Diff(webmap.Map{"a": "v1", "c": "v3"}, got); diff != "" || err != nil {
		t.Error(err, diff)
	}
}

func TestReadIsBounded(t *testing.T) {
	dir := t.TempDir()
	large := filepath.Join(dir, "large")
	if err := os.WriteFile(large, []byte(strings.Repeat("a v1\n", 4<<20)), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{large, dir, filepath.Join(dir, "missing"), "/dev/zero"} {
		if _, err := webmap.Read(path); err == nil {
			t.Errorf("%s: read", path)
		}
	}
}

func wantRelease(t *testing.T, path, want string) {
	t.Helper()
	got, err := webmap.Read(path)
	if diff := cmp.Diff(webmap.Map{"a": want}, got); diff != "" || err != nil {
		t.Error(err, diff)
	}
}

func onlyFile(t *testing.T, path string) {
	t.Helper()
	if left, err := os.ReadDir(filepath.Dir(path)); len(left) != 1 {
		t.Errorf("beside the map: %v %v", left, err)
	}
}

// BenchmarkMap is a map of 1,000 sites: all that a cut-over waits for is Commit.
func BenchmarkMap(b *testing.B) {
	path := filepath.Join(b.TempDir(), "m")
	lines := webmap.Map{}
	for n := range 1000 {
		lines[fmt.Sprintf("club%d.example.org", n)] = "20260101T000000Z-v1"
	}
	var spent [3]time.Duration
	for b.Loop() {
		began := time.Now()
		staged, err := webmap.Prepare(path, lines)
		prepared := time.Now()
		if err == nil {
			err = staged.Commit()
		}
		committed := time.Now()
		if err == nil {
			err = staged.Sync()
		}
		if err != nil {
			b.Fatal(err)
		}
		spent[0] += prepared.Sub(began)
		spent[1] += committed.Sub(prepared)
		spent[2] += time.Since(committed)
	}
	for i, name := range []string{"prepare", "commit", "sync"} {
		b.ReportMetric(float64(spent[i].Microseconds())/float64(b.N), name+"-µs")
	}
	b.ReportMetric(0, "ns/op")
}
