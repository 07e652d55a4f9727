package depot

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"relink/deploy/source/sourcetest"
)

// BenchmarkFetch is of an application of MediaWiki's size: whole, and where three files have
// changed.
func BenchmarkFetch(b *testing.B) {
	a := newAuthority(b)
	first, second := newHost(b, a, "web1"), newHost(b, a, "web2")
	first.patience, second.patience = time.Minute, time.Minute
	folder := application(b, 23_500)
	b.Run("whole", func(b *testing.B) {
		for b.Loop() {
			began, before := time.Now(), first.sent.Load()
			id := first.takes(b, folder)
			taken := time.Since(began)
			must(b, os.RemoveAll(second.dir))
			into := fetched(b, second.from(id, first.peer()))
			second.releases = []string{into}
			b.Logf("taken in %s; %+v, %d bytes on the wire, in %s", taken, *second.Fetched(id), first.sent.Load()-before, time.Since(began)-taken)
		}
	})
	b.Run("three", func(b *testing.B) {
		for n := 0; b.Loop(); n++ {
			for _, name := range []string{"public/part1/file1.php", "public/part2/file2.php", "public/part3/file3.php"} {
				sourcetest.WriteFile(b, filepath.Join(folder, name), time.Now().String())
			}
			began, before := time.Now(), first.sent.Load()
			id := first.takes(b, folder)
			taken := time.Since(began)
			fetched(b, second.from(id, first.peer()))
			b.Logf("taken in %s; %+v, %d bytes on the wire, in %s", taken, *second.Fetched(id), first.sent.Load()-before, time.Since(began)-taken)
		}
	})
}

func fetched(b *testing.B, s *Source) (into string) {
	b.Helper()
	into = filepath.Join(b.TempDir(), "release")
	r, err := s.Resolve(b.Context(), "v1")
	must(b, err, os.Mkdir(into, 0o755))
	must(b, r.Fetch(b.Context(), into, nil))
	return into
}
