package links

import (
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"testing"
)

// A release is in use whoever the link to it belongs to.
func TestInUse(t *testing.T) {
	root := realTemp(t)
	at := func(name string) string { return filepath.Join(root, name) }
	for _, id := range []string{"1", "2", "3", "4", "5", "6", "7", ".staging-x"} {
		mkdir(t, at("app/releases/"+id+"/public"))
	}
	mkdir(t, at("www"), at("elsewhere"))
	symlink(t, "../app/releases/1/public", at("www/club"))     // named
	symlink(t, "../app/releases/2", at("www/beside"))          // beside a named one
	symlink(t, "3", at("app/releases/latest"))                 // in the folder of releases
	symlink(t, "releases/4/public", at("app/current"))         // above it
	symlink(t, "../app/releases/5", at("elsewhere/old"))       // known to have been moved
	symlink(t, "../app/releases/6", at("elsewhere/nobody"))    // nobody knows it
	symlink(t, "../app/releases/9/public", at("www/dangling")) // keeps what is not there
	symlink(t, "loop", at("www/loop"))                         // keeps nothing
	symlink(t, at("app"), at("app-by-another-name"))
	u := Find(at("app-by-another-name/releases"), []string{at("www/club"), at("www/none")}, []string{at("elsewhere/old"), at("gone/link")})
	if u.Unread != nil {
		t.Fatal(u.Unread)
	}
	if got := slices.Sorted(maps.Keys(u.IDs())); !slices.Equal(got, []string{"1", "2", "3", "4", "5", "9"}) {
		t.Errorf("in use: %q", got)
	}
	if got := u.Unused(); !slices.Equal(got, []string{at("app/releases/6"), at("app/releases/7")}) {
		t.Errorf("unused: %q", got)
	}
	for folder, want := range map[string]bool{"app/releases/1": true, "app/releases/1/public": true, "app/releases/1/public/x": false, "app/releases/6": false} {
		if u.Serves(at(folder)) != want {
			t.Errorf("%s: serves %t", folder, !want)
		}
	}
}

// A named link that cannot be read is told, and what else is there counts.
func TestInUseTellsWhatItCouldNotRead(t *testing.T) {
	root := realTemp(t)
	at := func(name string) string { return filepath.Join(root, name) }
	mkdir(t, at("releases/1"), at("www"))
	symlink(t, "loop", at("www/loop"))
	symlink(t, "../releases/1", at("www/club"))
	u := Find(at("releases"), []string{at("www/loop"), at("www/club")}, nil)
	if u.Unread == nil || !u.Serves(at("releases/1")) {
		t.Errorf("%+v", u)
	}
}

// Who deploys need not be able to list the folder above the releases.
func TestCurrentAboveAFolderThatCannotBeListed(t *testing.T) {
	root, err := os.MkdirTemp("", "relink-links-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(root) })
	mkdir(t, filepath.Join(root, "releases/1"))
	symlink(t, "releases/1", filepath.Join(root, "current"))
	if err := os.Chmod(root, 0o311); err != nil {
		t.Fatal(err)
	}
	defer withoutPrivilege()()
	u := Find(filepath.Join(root, "releases"), nil, nil)
	if u.Unread != nil || !u.Serves(filepath.Join(root, "releases/1")) {
		t.Errorf("%+v", u)
	}
}

func TestMostUsed(t *testing.T) {
	u := InUse{Releases: "/r", Links: map[string]string{"/a": "/r/1/public", "/b": "/r/2", "/c": "/r/2/public", "/d": "/elsewhere", "/e": "/elsewhere", "/f": "/elsewhere"}}
	if got := u.MostUsed(); got != "/r/2" {
		t.Errorf("most are on %q", got)
	}
	if got := (InUse{Releases: "/r"}).MostUsed(); got != "" {
		t.Errorf("no link: %q", got)
	}
	if Within("/srv/releases/10", "/srv/releases/1") || !Within("/a/b", "/a/") || !Within("/a", "/a") {
		t.Error("within")
	}
	if got := Release("/r10/1", "/r"); got != "/r10/1" {
		t.Errorf("a folder that begins alike: %q", got)
	}
}

// withoutPrivilege has this thread look at files as one who is not root, until the
// result is called.
func withoutPrivilege() func() {
	if os.Geteuid() != 0 {
		return func() {}
	}
	const nobody = 65534
	runtime.LockOSThread()
	_ = syscall.Setfsuid(nobody)
	return func() {
		_ = syscall.Setfsuid(0)
		runtime.UnlockOSThread()
	}
}
