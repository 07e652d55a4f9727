package opcache

import (
	"os"
	"path/filepath"
	"slices"
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
		path  string
		links []int
		want  spelling
	}{
		{root + "/www/club1/public/index.php", []int{0}, spelling{Prefix: root + "/www/club1"}},
		{root + "/data/ww w/club2/x.php", []int{1}, spelling{Prefix: root + "/data/ww w/club2"}},
		{root + "/srv/älias/club2/x.php", []int{1}, spelling{Prefix: root + "/srv/älias/club2"}},
		{root + "/sites/one/index.php", []int{0}, spelling{Prefix: root + "/sites/one", Sub: "public"}},
		{root + "/sites//one/../one/index.php", []int{0}, spelling{Prefix: root + "/sites//one", Sub: "public"}},
		{root + "/releases/v1/public/index.php", nil, spelling{}},
		{root + "/nowhere/index.php", nil, spelling{}},
	}
	places := placesOf(configured)
	for _, tt := range tests {
		links, got := places.through(tt.path)
		if got != tt.want || !slices.Equal(links, tt.links) {
			t.Errorf("through(%s) = links %v, %+v; want links %v, %+v", tt.path, links, got, tt.links, tt.want)
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

	t.Run("a link with two old targets is spelled for both", func(t *testing.T) {
		s := newSpellings([]Link{{Path: root + "/www/club1", From: "/v1"}, {Path: root + "/www/club1", From: "/v2"}}, nil)
		s.learn(root + "/sites/one/index.php")
		if diff := cmp.Diff(s.byLink[0], s.byLink[1]); diff != "" || len(s.byLink[0]) != 3 {
			t.Errorf("%+v\n%s", s.byLink, diff)
		}
	})

	t.Run("a symlink that loops ends the walk", func(t *testing.T) {
		if err := os.Symlink("loop", filepath.Join(root, "loop")); err != nil {
			t.Fatal(err)
		}
		if links, _ := places.through(root + "/loop/x.php"); links != nil {
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
