package git

import (
	"path/filepath"
	"testing"

	"relink/deploy/source"
	"relink/deploy/source/sourcetest"
)

// update fetches a commit over what another one has left.
func update(t *testing.T, g *Source, from, to string) (keeps func(string) bool, brought map[string]string) {
	t.Helper()
	before, into := sourcetest.Fetch(t, g, from)
	after, err := g.Resolve(t.Context(), to)
	if err != nil {
		t.Fatal(err)
	}
	second := sourcetest.Staging(t)
	keeps, err = after.Fetcher.(source.Updater).Update(t.Context(), second, sourcetest.BaseOf(t, before, into), nil)
	if err != nil {
		t.Fatal(err)
	}
	return keeps, sourcetest.Tree(t, second)
}

func TestAnUpdateBringsWhatDiffers(t *testing.T) {
	r := newRepository(t, t.TempDir())
	write := func(name, content string) { sourcetest.WriteFile(t, filepath.Join(r.Dir, name), content) }
	write("same.php", "same")
	write("changed.php", "1")
	write("gone.php", "gone")
	first := r.Commit("first")
	write("changed.php", "2")
	write("new/new.php", "new")
	remove(t, filepath.Join(r.Dir, "gone.php"))
	second := r.Commit("second")
	keeps, brought := update(t, newTestGit(t, r), first, second)
	if !keeps("same.php") || keeps("changed.php") || keeps("gone.php") || keeps("new/new.php") || keeps("never.php") {
		t.Error("keeps the wrong files")
	}
	if len(brought) != 3 || brought["changed.php"] != "-rw-r--r-- 2" || brought["new/new.php"] != "-rw-r--r-- new" {
		t.Errorf("brought %v", brought)
	}
}

// What attributes say holds for files too that have not changed themselves.
func TestAnUpdateWithOtherAttributesBringsAll(t *testing.T) {
	r := newRepository(t, t.TempDir())
	sourcetest.WriteFile(t, filepath.Join(r.Dir, "same.php"), "a\nb\n")
	first := r.Commit("first")
	sourcetest.WriteFile(t, filepath.Join(r.Dir, ".gitattributes"), "*.php text eol=crlf\n")
	second := r.Commit("second")
	keeps, brought := update(t, newTestGit(t, r), first, second)
	if keeps("same.php") || brought["same.php"] != "-rw-r--r-- a\r\nb\r\n" {
		t.Errorf("brought %q", brought)
	}
	sourcetest.WriteFile(t, filepath.Join(r.Dir, "sub/other.php"), "c\n")
	third := r.Commit("third")
	keeps, brought = update(t, newTestGit(t, r), second, third)
	if !keeps("same.php") || brought["sub/other.php"] != "-rw-r--r-- c\r\n" {
		t.Errorf("attributes of a folder above are forgotten: %q", brought)
	}
}

// What a filter makes of a file depends on what is installed and configured, too.
func TestAnUpdateWithFiltersBringsAll(t *testing.T) {
	r := newRepository(t, t.TempDir())
	sourcetest.WriteFile(t, filepath.Join(r.Dir, "same.bin"), "same")
	sourcetest.WriteFile(t, filepath.Join(r.Dir, "sub/.gitattributes"), "*.psd filter=lfs\n")
	first := r.Commit("first")
	sourcetest.WriteFile(t, filepath.Join(r.Dir, "new.php"), "new")
	keeps, brought := update(t, newTestGit(t, r), first, r.Commit("second"))
	if keeps("same.bin") || brought["same.bin"] == "" {
		t.Errorf("brought %q", brought)
	}
}
