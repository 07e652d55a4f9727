package shared

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"relink/deploy/release"
	"relink/internal/trust"
)

// site is a releases folder with a shared folder beside it.
func site(t *testing.T) (st *release.Staging, shared string) {
	t.Helper()
	s, err := release.Open(filepath.Join(t.TempDir(), "Re leases"))
	if err != nil {
		t.Fatal(err)
	}
	return stage(t, s, "v1", "index.php"), filepath.Join(filepath.Dir(s.Dir()), "sha red")
}

func linkShared(t *testing.T, st *release.Staging, shared string, entries ...string) error {
	t.Helper()
	return Link(t.Context(), st.Path(), shared, entries)
}

func TestSharedOnTheFirstDeploy(t *testing.T) {
	st, shared := site(t)
	writeFile(t, filepath.Join(st.Path(), ".env"), "A=1")
	writeFile(t, filepath.Join(st.Path(), "var/uploads/sub/logo.png"), "png")
	if err := errors.Join(os.Chmod(filepath.Join(st.Path(), ".env"), 0o640), os.Symlink("sub/logo.png", filepath.Join(st.Path(), "var/uploads/logo.png")),
		os.Chmod(filepath.Join(st.Path(), "var/uploads/sub"), 0o555)); err != nil {
		t.Fatal(err)
	}
	if err := linkShared(t, st, shared, ".env", "var/uploads", "var/cache/", "a/b/c/"); err != nil {
		t.Fatal(err)
	}
	r, err := st.Seal(t.Context(), release.Manifest{}) // the links must hold after the rename
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{".env": "A=1", "var/uploads/sub/logo.png": "png", "var/uploads/logo.png": "png"} {
		for _, base := range []string{r.Path, shared} {
			if got, err := os.ReadFile(filepath.Join(base, name)); err != nil || string(got) != want {
				t.Errorf("%s in %s holds %q, %v", name, base, got, err)
			}
		}
	}
	for _, name := range []string{".env", "var/uploads", "var/cache", "a/b/c"} {
		target, err := os.Readlink(filepath.Join(r.Path, name))
		if err != nil || filepath.IsAbs(target) {
			t.Errorf("%s is a link to %q, %v", name, target, err)
		}
		if _, err := os.Stat(filepath.Join(r.Path, name)); err != nil {
			t.Error(err)
		}
	}
	for name, mode := range map[string]os.FileMode{".env": 0o640, "var/uploads/sub": 0o555 | os.ModeDir} {
		if info, err := os.Stat(filepath.Join(shared, name)); err != nil || info.Mode() != mode {
			t.Errorf("%s has mode %v, %v", name, info.Mode(), err)
		}
	}
	if got := names(t, shared) + " | " + names(t, filepath.Join(shared, "var")); got != ".env a var | cache uploads" {
		t.Errorf("shared: %s", got)
	}
	if err := os.Chmod(filepath.Join(shared, "var/uploads/sub"), 0o755); err != nil {
		t.Fatal(err)
	}
}

func TestSharedThatExistsIsKept(t *testing.T) {
	st, shared := site(t)
	elsewhere := t.TempDir()
	writeFile(t, filepath.Join(elsewhere, "mine.png"), "mine")
	writeFile(t, filepath.Join(shared, ".env"), "mine")
	if err := os.Symlink(elsewhere, filepath.Join(shared, "uploads")); err != nil { // on another disk, say
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(st.Path(), ".env"), "brought")
	writeFile(t, filepath.Join(st.Path(), "uploads/.gitkeep"), "")
	if err := linkShared(t, st, shared, ".env", "uploads/"); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{".env": "mine", "uploads/mine.png": "mine"} {
		if got, err := os.ReadFile(filepath.Join(st.Path(), name)); err != nil || string(got) != want {
			t.Errorf("%s holds %q, %v", name, got, err)
		}
	}
	if got := names(t, elsewhere); got != "mine.png" {
		t.Errorf("the shared folder holds %s", got)
	}
}

func TestSharedOwner(t *testing.T) {
	if os.Getuid() != 0 {
		t.Log("as an ordinary user every file has the same owner")
		return
	}
	st, shared := site(t)
	writeFile(t, filepath.Join(st.Path(), "var/uploads/logo.png"), "png")
	if err := errors.Join(os.MkdirAll(shared, 0o755), os.Chown(shared, 12345, 23456)); err != nil {
		t.Fatal(err)
	}
	if err := linkShared(t, st, shared, "var/uploads", "log/app/"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"var", "var/uploads", "var/uploads/logo.png", "log", "log/app"} {
		info, err := os.Lstat(filepath.Join(shared, name))
		if err != nil {
			t.Fatal(err)
		}
		if owner := info.Sys().(*syscall.Stat_t); owner.Uid != 12345 || owner.Gid != 23456 {
			t.Errorf("%s belongs to %d:%d", name, owner.Uid, owner.Gid)
		}
	}
}

func TestSharedBehindALink(t *testing.T) {
	base := t.TempDir()
	if err := errors.Join(os.MkdirAll(filepath.Join(base, "disk/deep/releases"), 0o755), os.Symlink("disk/deep", filepath.Join(base, "srv"))); err != nil {
		t.Fatal(err)
	}
	s, err := release.Open(filepath.Join(base, "srv/releases"))
	if err != nil {
		t.Fatal(err)
	}
	st := stage(t, s, "v1", "var/log/x")
	if err := linkShared(t, st, filepath.Join(base, "srv/shared"), "var/log"); err != nil {
		t.Fatal(err)
	}
	if got := names(t, filepath.Join(st.Path(), "var/log")); got != "x" {
		t.Errorf("the release sees %q", got)
	}
}

func TestSharedRefusals(t *testing.T) {
	outside := t.TempDir()
	writeFile(t, filepath.Join(outside, "x"), "precious")
	symlink := func(target string, names ...string) func(st *release.Staging, shared string) error {
		return func(st *release.Staging, shared string) error {
			return os.Symlink(target, filepath.Join(append([]string{st.Path()}, names...)...))
		}
	}
	for name, test := range map[string]struct {
		prepare func(st *release.Staging, shared string) error
		entries []string
		want    error
		hint    string
	}{
		"missing file":         {nil, []string{".env"}, ErrMissing, "or write .env/"},
		"outside":              {nil, []string{"../x"}, ErrEntry, "inside the release"},
		"absolute":             {nil, []string{"/etc/passwd"}, ErrEntry, "inside the release"},
		"everything":           {nil, []string{"./"}, ErrEntry, "inside the release"},
		"empty":                {nil, []string{""}, ErrEntry, "inside the release"},
		"one in the other":     {nil, []string{"var/uploads/", "var/"}, ErrEntry, "the outer one"},
		"twice":                {nil, []string{"var/", "./var"}, ErrEntry, "the outer one"},
		"file for a folder":    {nil, []string{"index.php/"}, ErrEntry, ""},
		"through a link":       {symlink(outside, "var"), []string{"var/x"}, ErrEntry, "share var itself"},
		"through a link there": {symlink(".", "var"), []string{"var/index.php"}, ErrEntry, "share var itself"},
		"through a file":       {nil, []string{"index.php/x/"}, ErrEntry, "share index.php itself"},
		"brings a link out":    {symlink("../../secret", "up"), []string{"up"}, ErrEntry, "out of the source"},
		"a file where a folder is shared": {func(st *release.Staging, shared string) error {
			writeFile(t, filepath.Join(shared, "var"), "")
			return nil
		}, []string{"var/"}, ErrEntry, ""},
		"a broken link in shared": {func(st *release.Staging, shared string) error {
			return errors.Join(os.Mkdir(shared, 0o755), os.Symlink("gone", filepath.Join(shared, "var")))
		}, []string{"var/"}, os.ErrNotExist, "repair the link"},
		"the application leads out of shared": {func(st *release.Staging, shared string) error {
			return errors.Join(os.Mkdir(shared, 0o755), os.Symlink(outside, filepath.Join(shared, "var")))
		}, []string{"var/new/"}, nil, ""},
		"a fifo": {func(st *release.Staging, shared string) error {
			return syscall.Mkfifo(filepath.Join(st.Path(), "f"), 0o600)
		}, []string{"f"}, ErrEntry, ""},
	} {
		t.Run(name, func(t *testing.T) {
			st, shared := site(t)
			if test.prepare != nil {
				if err := test.prepare(st, shared); err != nil {
					t.Fatal(err)
				}
			}
			err := linkShared(t, st, shared, test.entries...)
			if err == nil || test.want != nil && !errors.Is(err, test.want) {
				t.Fatalf("got %v", err)
			}
			wantHint(t, err, test.hint)
			if got := names(t, outside); got != "x" {
				t.Errorf("outside is now %s", got)
			}
			if entries, _ := os.ReadDir(shared); len(entries) > 0 && strings.HasPrefix(entries[0].Name(), ".relink-") {
				t.Errorf("left in shared: %v", entries)
			}
		})
	}
}

// A copy that was interrupted must not pass for the shared folder.
func TestSharedCopyIsInterrupted(t *testing.T) {
	st, shared := site(t)
	writeFile(t, filepath.Join(st.Path(), "uploads/logo.png"), "png")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Link(ctx, st.Path(), shared, []string{"uploads"}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if got := names(t, shared); got != "" {
		t.Errorf("shared holds %s", got)
	}
	if err := linkShared(t, st, shared, "uploads"); err != nil {
		t.Error(err)
	}
	if got := names(t, filepath.Join(shared, "uploads")); got != "logo.png" {
		t.Errorf("shared uploads hold %s", got)
	}
}

// Whoever owns the way to the shared folder could have root copy what the release brings
// to anywhere.
func TestRootSharesNothingWhereOthersLead(t *testing.T) {
	if os.Geteuid() != 0 {
		return
	}
	base := t.TempDir()
	staging, his, roots := filepath.Join(base, "staging"), filepath.Join(base, "his"), filepath.Join(base, "roots")
	writeFile(t, filepath.Join(staging, "job"), "evil")
	if err := errors.Join(os.Mkdir(his, 0o755), os.Mkdir(roots, 0o755), os.Symlink(roots, filepath.Join(his, "shared")),
		os.Lchown(filepath.Join(his, "shared"), 65534, 65534), os.Chown(his, 65534, 65534)); err != nil {
		t.Fatal(err)
	}
	if err := Link(t.Context(), staging, filepath.Join(his, "shared"), []string{"job"}); !errors.Is(err, trust.ErrOthers) {
		t.Error(err)
	}
	if got := names(t, roots); got != "" {
		t.Errorf("root's folder holds %s", got)
	}
}
