package depot

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"relink/deploy/source/sourcetest"
)

// BenchmarkFetch is of an application of MediaWiki's size: whole, and where three files have
// changed since. It tells what crosses the network.
func BenchmarkFetch(b *testing.B) {
	a := newAuthority(b)
	first, second := newHost(b, a, "web1"), newHost(b, a, "web2")
	first.patience, second.patience = time.Minute, time.Minute
	folder, releases := application(b, 23_500), b.TempDir()
	fetch := func(b *testing.B, id string, n int) string {
		b.Helper()
		into := filepath.Join(releases, fmt.Sprintf("%s%d", b.Name()[len("BenchmarkFetch/"):], n))
		before := first.sent.Load()
		r, err := second.from(id, first.peer()).Resolve(b.Context(), "v1")
		must(b, err, os.Mkdir(into, 0o755))
		must(b, r.Fetch(b.Context(), into, nil))
		b.ReportMetric(float64(first.sent.Load()-before), "wire-B/op")
		b.ReportMetric(float64(second.Fetched(id).Files), "files/op")
		return into
	}
	id := first.takes(b, folder)
	b.Run("whole", func(b *testing.B) {
		for n := 0; b.Loop(); n++ {
			must(b, os.RemoveAll(second.dir))
			second.releases = nil
			into := fetch(b, id, n)
			second.releases = []string{into}
		}
	})
	b.Run("three", func(b *testing.B) {
		for n := 0; b.Loop(); n++ {
			b.StopTimer()
			for _, name := range []string{"public/part1/file1.php", "public/part2/file2.php", "public/part3/file3.php"} {
				sourcetest.WriteFile(b, filepath.Join(folder, name), time.Now().String())
			}
			id := first.takes(b, folder)
			b.StartTimer()
			fetch(b, id, n)
		}
	})
}
