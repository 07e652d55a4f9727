package links

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// What a look at many links tells of each is what a look at it alone tells.
func TestLook(t *testing.T) {
	root := realTemp(t)
	at := func(name string) string { return filepath.Join(root, name) }
	mkdir(t, at("releases/v1"), at("www"), at("shop/www"))
	symlink(t, at("www"), at("by-another-name"))
	symlink(t, at("releases/v1"), at("www/a"))
	symlink(t, at("releases/v1"), at("www/b"))
	symlink(t, "../releases/v1", at("www/relative"))
	symlink(t, "../releases/v1", at("shop/www/relative")) // the same text, which leads elsewhere
	symlink(t, at("releases/v9"), at("www/dangling"))
	symlink(t, "loop", at("www/loop"))
	if err := os.WriteFile(at("www/file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	look := NewLook()
	for range 2 {
		for _, name := range []string{"www/a", "by-another-name/a", "www/b", "www/relative", "shop/www/relative", "www/dangling", "www/loop", "by-another-name/loop", "www/file", "www/none", "none/none", "www/file/none"} {
			got, want := look.Read(at(name)), Read(at(name))
			if gotErr, wantErr := got.Err, want.Err; gotErr != nil && wantErr != nil && gotErr.Error() == wantErr.Error() {
				got.Err, want.Err = nil, nil
			}
			if got != want {
				t.Errorf("%s: %+v, want %+v", name, got, want)
			}
			if got, want := look.Place(at(name)), Place(at(name)); got != want {
				t.Errorf("%s: place %s, want %s", name, got, want)
			}
		}
	}
}

// 1,000 links to one release, as all of a server's sites have them.
func BenchmarkFind(b *testing.B) {
	root := realTemp(b)
	mkdir(b, filepath.Join(root, "releases/v1"), filepath.Join(root, "www"))
	named := make([]string, 1000)
	for i := range named {
		named[i] = filepath.Join(root, "www", fmt.Sprintf("club%d", i))
		symlink(b, filepath.Join(root, "releases/v1"), named[i])
	}
	for b.Loop() {
		if u := Find(filepath.Join(root, "releases"), named, named); len(u.Links) != 1000 || u.Unread != nil {
			b.Fatal(len(u.Links), u.Unread)
		}
	}
}
