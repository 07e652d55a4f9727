package git

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"relink/deploy/source"
	"relink/deploy/source/sourcetest"
)

// nested is a repository with a submodule by a relative address, which has one too.
func nested(t *testing.T) *repository {
	base := filepath.Join(t.TempDir(), "repos itories")
	deep := newRepository(t, filepath.Join(base, "libs", "deep"))
	deep.Write("deep.php", "deep")
	deep.Commit("deep")
	lib := newRepository(t, filepath.Join(base, "libs", "lib"))
	lib.Write("lib.php", "lib")
	lib.Git("submodule", "--quiet", "add", deep.Dir, "sub/deep")
	lib.Git("config", "--file", ".gitmodules", "submodule.sub/deep.url", "../deep")
	lib.Commit("lib")
	app := newRepository(t, filepath.Join(base, "app"))
	app.Write("index.php", "app")
	app.Git("submodule", "--quiet", "add", lib.Dir, "vendor/a lib")
	app.Git("config", "--file", ".gitmodules", "submodule.vendor/a lib.url", "../libs/lib/")
	app.Commit("app")
	return app
}

func TestGitSubmodules(t *testing.T) {
	app := nested(t)
	g := newTestGit(t, app)
	resolved, into := sourcetest.Fetch(t, g, "main")
	sourcetest.WantFile(t, filepath.Join(into, "index.php"), "app")
	sourcetest.WantFile(t, filepath.Join(into, "vendor/a lib/lib.php"), "lib")
	sourcetest.WantFile(t, filepath.Join(into, "vendor/a lib/sub/deep/deep.php"), "deep")
	caches, _ := filepath.Glob(filepath.Join(g.cacheDir, submoduleDir, "*.git"))
	if len(caches) != 2 {
		t.Errorf("caches of submodules: %v", caches)
	}
	info, err := os.Stat(filepath.Join(into, "vendor/a lib/sub/deep/deep.php"))
	if err != nil || !info.ModTime().Equal(resolved.Time) {
		t.Errorf("a submodule's file has time %v, %v", info.ModTime(), err)
	}
	// Everything is in the caches: a second release needs no repository.
	if err := os.Rename(filepath.Dir(app.Dir), filepath.Dir(app.Dir)+".away"); err != nil {
		t.Fatal(err)
	}
	sourcetest.Fetch(t, g, resolved.Commit)
}

func TestGitSubmoduleCacheHeals(t *testing.T) {
	app := nested(t)
	g := newTestGit(t, app)
	resolved, err := g.Resolve(t.Context(), "main")
	if err != nil {
		t.Fatal(err)
	}
	caches, _ := filepath.Glob(filepath.Join(g.cacheDir, submoduleDir, "*.git"))
	for _, cache := range caches {
		overwriteObjects(t, cache, func(b []byte) []byte { return b[:len(b)/3] })
	}
	into := sourcetest.Staging(t)
	if err := resolved.Fetch(t.Context(), into, nil); err != nil {
		t.Fatal(err)
	}
	sourcetest.WantFile(t, filepath.Join(into, "vendor/a lib/sub/deep/deep.php"), "deep")
}

func TestGitWithoutSubmodulesSaysSo(t *testing.T) {
	app := nested(t)
	g := New(app.Dir, filepath.Join(t.TempDir(), "cache"), false)
	resolved, into := sourcetest.Fetch(t, g, "main")
	if len(resolved.Notes) != 1 || !strings.Contains(resolved.Notes[0], "1 submodule") {
		t.Errorf("notes are %q", resolved.Notes)
	}
	if entries, err := os.ReadDir(filepath.Join(into, "vendor/a lib")); err != nil || len(entries) > 0 {
		t.Errorf("the submodule's folder holds %v, %v", entries, err)
	}
}

func TestGitSubmoduleErrors(t *testing.T) {
	for name, test := range map[string]struct {
		change func(app *repository)
		want   error
		text   string
	}{
		"no address": {func(app *repository) {
			app.Git("config", "--file", ".gitmodules", "--unset", "submodule.vendor/a lib.url")
			app.Git("add", ".gitmodules")
		}, nil, "vendor/a lib"},
		"no .gitmodules": {func(app *repository) { app.Git("rm", "--quiet", "--cached", ".gitmodules") }, nil, ".gitmodules"},
		"a command for an address": {func(app *repository) {
			app.Git("config", "--file", ".gitmodules", "submodule.vendor/a lib.url", "ext::touch x")
			app.Git("add", ".gitmodules")
		}, source.ErrUnreachable, "vendor/a lib"},
		"an option for an address": {func(app *repository) {
			app.Git("config", "--file", ".gitmodules", "submodule.vendor/a lib.url", "--upload-pack=x")
			app.Git("add", ".gitmodules")
		}, source.ErrUnsafe, "vendor/a lib"},
		"a path that is not the parent's": {func(app *repository) {
			private := newRepository(app.t, filepath.Join(app.t.TempDir(), "private"))
			private.Commit("private")
			app.Git("config", "--file", ".gitmodules", "submodule.vendor/a lib.url", private.Dir)
			app.Git("add", ".gitmodules")
		}, source.ErrUnsafe, "vendor/a lib"},
		"a commit that is not there": {func(app *repository) {
			app.Git("update-index", "--cacheinfo", "160000,"+strings.Repeat("ab", 20)+",vendor/a lib")
		}, source.ErrUnknownRef, "vendor/a lib"},
	} {
		t.Run(name, func(t *testing.T) {
			app := nested(t)
			test.change(app)
			app.Git("commit", "--quiet", "--message", "changed")
			_, err := newTestGit(t, app).Resolve(t.Context(), "main")
			if err == nil || test.want != nil && !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.text) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// A parent whose tree has a link where .gitmodules says that a submodule lies
// below it cannot be made with git; the guard is tested on what it looks at.
func TestGitSubmoduleIsNotReachedThroughALink(t *testing.T) {
	into, outside := sourcetest.Staging(t), t.TempDir()
	if err := os.Mkdir(filepath.Join(outside, "lib"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{outside, "real"} {
		remove(t, filepath.Join(into, "vendor"))
		if err := errors.Join(os.MkdirAll(filepath.Join(into, "real/lib"), 0o755), os.Symlink(target, filepath.Join(into, "vendor"))); err != nil {
			t.Fatal(err)
		}
		if _, err := (checkout{at: "vendor/lib"}).target(into); err == nil {
			t.Errorf("a checkout through a link to %s is allowed", target)
		}
	}
}

func TestSubmoduleOfThisMachine(t *testing.T) {
	srv := t.TempDir()
	for _, dir := range []string{"git/app.git", "git/lib.git", "private.git"} {
		if err := os.MkdirAll(filepath.Join(srv, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(srv, "private.git"), filepath.Join(srv, "git/linked")); err != nil {
		t.Fatal(err)
	}
	local := srv + "/git/app.git"
	for _, test := range []struct {
		parent, address string
		refused         bool
	}{
		{local, srv + "/git/lib.git", false}, {local, "file://" + srv + "/git/lib.git", false}, {"file://" + local, srv + "/git/gone", false},
		{local, "https://example.org/lib", false}, {local, "host:lib", false},
		{local, srv + "/private.git", true}, {local, srv + "/git/../private.git", true}, {local, "file://" + srv + "/git/%2e%2e/private.git", true},
		{local, srv + "/git/linked", true},
		{"https://example.org/app", srv + "/git/lib.git", true}, {"https://example.org/app", "file://" + srv + "/git/lib.git", true},
		{"host:app", srv + "/git/lib.git", true}, {"host:app", "./a:b", true}, {"ssh://host/app", "ssh://host/lib", false},
	} {
		err := checkLocal(test.parent, test.address)
		if (err != nil) != test.refused || err != nil && !errors.Is(err, source.ErrUnsafe) {
			t.Errorf("%s in %s: %v", test.address, test.parent, err)
		}
	}
}

func TestResolveURL(t *testing.T) {
	for _, test := range []struct{ parent, address, want string }{
		{"https://example.org/a/app.git", "../lib.git", "https://example.org/a/lib.git"},
		{"https://example.org/a/app.git/", "../../b/lib.git", "https://example.org/b/lib.git"},
		{"git@example.org:a/app.git", "../lib.git", "git@example.org:a/lib.git"},
		{"git@example.org:app.git", "../lib.git", "git@example.org:lib.git"},
		{"ssh://git@example.org/a/app", "./lib", "ssh://git@example.org/a/app/lib"},
		{"/srv/git/app.git", "../libs/lib/", "/srv/git/libs/lib"},
		{"/srv/git/app.git", "https://example.org/lib", "https://example.org/lib"},
		{"/srv/git/app.git", "git@example.org:lib", "git@example.org:lib"},
	} {
		if got := resolveURL(test.parent, test.address); got != test.want {
			t.Errorf("%s in %s is %s, want %s", test.address, test.parent, got, test.want)
		}
	}
}

func TestMask(t *testing.T) {
	for text, want := range map[string]string{
		"https://user:secret@host/x":                   "https://user:***@host/x",
		"fatal: 'https://user:p@ss@host/x' not found":  "fatal: 'https://user:***@host/x' not found",
		"https://ghp_token@host/x":                     "https://***@host/x",
		"ssh://git@host/x git@host:x /srv/a:b@c":       "ssh://git@host/x git@host:x /srv/a:b@c",
		"two: http://a:b@c/ and ftp://d:e@f/":          "two: http://a:***@c/ and ftp://d:***@f/",
		"for 'https://user@host': bad password secret": "for 'https://***@host': bad password ***",
	} {
		if got := maskAll(text, secrets("https://user:secret@host/x")); got != want {
			t.Errorf("%q is masked as %q, want %q", text, got, want)
		}
	}
}
