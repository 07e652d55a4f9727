package opcache

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSpellingsOfALink(t *testing.T) {
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"releases/v1/public", "data/ww w", "sites", "srv"} {
		mkdir(t, filepath.Join(root, dir))
	}
	links := map[string]string{
		"data/ww w/club1": filepath.Join(root, "releases/v1"),
		"data/ww w/club2": "../../releases/v1",
		"www":             filepath.Join(root, "data/ww w"),
		"sites/one":       filepath.Join(root, "www/club1/public"),
		"srv/älias":       "../data/./ww w",
	}
	for name, target := range links {
		if err := os.Symlink(target, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	configured := []Link{{Name: "club1", Path: root + "/www/club1"}, {Name: "club2", Path: root + "/data/ww w/club2"}}

	tests := []struct {
		path string
		link int
		want spelling
		ok   bool
	}{
		{root + "/www/club1/public/index.php", 0, spelling{Prefix: root + "/www/club1"}, true},
		{root + "/data/ww w/club2/x.php", 1, spelling{Prefix: root + "/data/ww w/club2"}, true},
		{root + "/srv/älias/club2/x.php", 1, spelling{Prefix: root + "/srv/älias/club2"}, true},
		{root + "/sites/one/index.php", 0, spelling{Prefix: root + "/sites/one", Sub: "public"}, true},
		{root + "/sites//one/../one/index.php", 0, spelling{Prefix: root + "/sites//one", Sub: "public"}, true},
		{root + "/releases/v1/public/index.php", 0, spelling{}, false},
		{root + "/nowhere/index.php", 0, spelling{}, false},
	}
	places := placesOf(configured)
	for _, tt := range tests {
		link, got, ok := places.through(tt.path)
		if ok != tt.ok || got != tt.want || (ok && link != tt.link) {
			t.Errorf("through(%s) = link %d, %+v, %v; want link %d, %+v, %v", tt.path, link, got, ok, tt.link, tt.want, tt.ok)
		}
	}

	t.Run("one script teaches the neighbours", func(t *testing.T) {
		s := newSpellings(configured, nil)
		if !s.learn("/" + root + "/srv/älias/club1/public/index.php") {
			t.Fatal("nothing learned from a script below a link")
		}
		for i, name := range []string{"club1", "club2"} {
			want := spelling{Prefix: root + "/srv/älias/" + name}
			if !contains(s.byLink[i], want) {
				t.Errorf("%s is not known as %+v: %+v", name, want, s.byLink[i])
			}
		}
		if s.learn(root + "/releases/v1/public/index.php") {
			t.Error("a real path was taken for a spelling")
		}
	})

	t.Run("a symlink that loops ends the walk", func(t *testing.T) {
		if err := os.Symlink("loop", filepath.Join(root, "loop")); err != nil {
			t.Fatal(err)
		}
		if _, _, ok := places.through(root + "/loop/x.php"); ok {
			t.Error("a loop led to a link")
		}
	})

	if diff := cmp.Diff([]string{"/a b/c", "//a b/c"}, literalPrefixes("//a b/c")); diff != "" {
		t.Error(diff)
	}
}

func contains(all []spelling, want spelling) bool {
	for _, s := range all {
		if s == want {
			return true
		}
	}
	return false
}

func mkdir(t *testing.T, dir string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
}
