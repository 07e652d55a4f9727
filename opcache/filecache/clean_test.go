package filecache_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"relink/internal/hint"
	"relink/opcache/filecache"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

const build = "0123456789abcdef0123456789abcdef"

func gone(release string) bool { return strings.HasPrefix(release, "gone") }

func write(t *testing.T, root string, names ...string) {
	t.Helper()
	for _, name := range names {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("12345"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func TestWhatIsOfGoneReleasesGoes(t *testing.T) {
	root := t.TempDir()
	removed := []string{build + "/srv/rel/gone1/a.php.bin", build + "/srv/rel/gone1/b/c/d.php.bin", strings.Repeat("f", 32) + "/srv/rel/gone2/x.php.bin"}
	stays := []string{
		build + "/srv/rel/live/a.php.bin", build + "/srv/rel/gone.php.bin", build + "/srv/other/gone1/a.php.bin",
		"notabuild/srv/rel/gone1/a.php.bin", build + "/srv/rel/gone3/notes.txt",
	}
	write(t, root, slices.Concat(removed, stays)...)
	done, err := filecache.Clean(t.Context(), root, "/srv/rel", gone)
	if err != nil || !cmp.Equal(done, filecache.Cleaned{Files: 3, Bytes: 15}) {
		t.Errorf("%+v, %v", done, err)
	}
	for _, name := range removed {
		if exists(filepath.Join(root, name)) {
			t.Errorf("%s is there still", name)
		}
	}
	for _, name := range stays {
		if !exists(filepath.Join(root, name)) {
			t.Errorf("%s is gone", name)
		}
	}
	if exists(filepath.Join(root, build, "srv/rel/gone1")) {
		t.Error("an empty folder was left")
	}
	if done, err := filecache.Clean(t.Context(), filepath.Join(root, "none"), "/srv/rel", gone); err != nil || done.Files != 0 {
		t.Errorf("%+v, %v", done, err)
	}
}

// The cache is the pool's user's, who may have put links where folders are expected.
func TestNoLinkIsFollowed(t *testing.T) {
	for name, link := range map[string]string{
		"the build": build, "on the way": build + "/srv", "the releases": build + "/srv/rel", "a release": build + "/srv/rel/gone1", "a folder": build + "/srv/rel/gone1/inc",
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			others := filepath.Join(root, "others")
			victims := []string{"gone1/a.php.bin", "rel/gone1/a.php.bin", "srv/rel/gone1/a.php.bin", "a.php.bin", "inc/a.php.bin"}
			write(t, others, victims...)
			at := filepath.Join(root, "cache", link)
			if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(others, at); err != nil {
				t.Fatal(err)
			}
			done, _ := filecache.Clean(t.Context(), filepath.Join(root, "cache"), "/srv/rel", gone)
			if done.Files != 0 {
				t.Errorf("%+v", done)
			}
			for _, victim := range victims {
				if !exists(filepath.Join(others, victim)) {
					t.Errorf("%s was removed through a link", victim)
				}
			}
		})
	}
}

// Nor within the folder that was named: a pool may lie about where its cache is.
func TestNoLinkWithinTheFolderIsFollowed(t *testing.T) {
	root := t.TempDir()
	write(t, root, "others/gone1/a.php.bin")
	at := filepath.Join(root, build, "srv")
	if err := os.MkdirAll(at, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../../others", filepath.Join(at, "rel")); err != nil {
		t.Fatal(err)
	}
	done, _ := filecache.Clean(t.Context(), root, "/srv/rel", gone)
	if done.Files != 0 || !exists(filepath.Join(root, "others/gone1/a.php.bin")) {
		t.Errorf("%+v", done)
	}
}

// What belongs to others is in the way of whoever has moved it there.
func TestOnlyWhatIsOfTheOwnerOfTheBuildGoes(t *testing.T) {
	if os.Geteuid() != 0 {
		return
	}
	const his, hers = 65534, 65533
	root := t.TempDir()
	release := filepath.Join(build, "srv/rel/gone1")
	stays := []string{release + "/hers.php.bin", release + "/moved/his.php.bin", release + "/moved/in/hers.php.bin"}
	write(t, root, append(stays, release+"/own/his.php.bin", release+"/moved/empty/his.php.bin", strings.Repeat("f", 32)+"/srv/rel/gone1/roots.php.bin")...)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(filepath.WalkDir(filepath.Join(root, build), func(path string, _ fs.DirEntry, err error) error {
		return errors.Join(err, os.Lchown(path, his, his))
	}))
	for _, name := range []string{"hers.php.bin", "moved", "moved/in/hers.php.bin"} {
		must(os.Chown(filepath.Join(root, release, name), hers, hers))
	}
	must(os.Remove(filepath.Join(root, release, "moved/empty/his.php.bin")))
	done, err := filecache.Clean(t.Context(), root, "/srv/rel", gone)
	if err != nil || done.Files != 2 {
		t.Errorf("%+v, %v", done, err)
	}
	for _, name := range append(stays, release+"/moved/empty") {
		if !exists(filepath.Join(root, name)) {
			t.Errorf("%s is gone", name)
		}
	}
	if exists(filepath.Join(root, release, "own")) {
		t.Error("what is his was left")
	}
}

// A pool's user may make folders in folders without end.
func TestNothingIsRemovedBelowWhatPHPCanOpen(t *testing.T) {
	root := t.TempDir()
	write(t, root, build+"/srv/rel/gone1/a.php.bin")
	at, err := os.OpenRoot(filepath.Join(root, build, "srv/rel/gone1"))
	element := strings.Repeat("d", 250)
	for range 20 {
		if err == nil {
			err = at.Mkdir(element, 0o755)
		}
		var deeper *os.Root
		if err == nil {
			deeper, err = at.OpenRoot(element)
		}
		if err = errors.Join(err, at.Close()); err != nil {
			t.Fatal(err)
		}
		at = deeper
	}
	defer at.Close()
	if err := at.WriteFile("deep.php.bin", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if done, err := filecache.Clean(t.Context(), root, "/srv/rel", gone); err != nil || done.Files != 1 {
		t.Errorf("%+v, %v", done, err)
	}
	if _, err := at.Stat("deep.php.bin"); err != nil {
		t.Error(err)
	}
}

func TestWhatIsLeftGoesWithTheNext(t *testing.T) {
	root := t.TempDir()
	write(t, root, build+"/srv/rel/gone1/a.php.bin", build+"/srv/rel/gone2/a.php.bin")
	ctx, end := context.WithCancelCause(t.Context())
	done, err := filecache.Clean(ctx, root, "/srv/rel", func(release string) bool {
		if release == "gone2" {
			end(errors.New("its time has passed"))
		}
		return true
	})
	if done.Files != 1 || err == nil || !strings.Contains(err.Error(), "its time has passed: the rest goes with the next prune") {
		t.Errorf("%+v, %v", done, err)
	}
	if done, err := filecache.Clean(t.Context(), root, "/srv/rel", gone); err != nil || done.Files != 1 {
		t.Errorf("%+v, %v", done, err)
	}
}

// Somebody else cleans at the same time: PHP itself, or a prune of another application.
func TestSeveralCleanAtTheSameTime(t *testing.T) {
	const files = 1000
	root := t.TempDir()
	names := make([]string, files)
	for i := range names {
		names[i] = fmt.Sprintf("%s/srv/rel/gone%d/%d/a.php.bin", build, i%10, i)
	}
	write(t, root, names...)
	var all sync.WaitGroup
	var done [4]filecache.Cleaned
	for i := range done {
		all.Go(func() {
			var err error
			if done[i], err = filecache.Clean(t.Context(), root, "/srv/rel", gone); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	sum := filecache.Cleaned{}
	for _, one := range done {
		sum.Add(one)
	}
	if sum.Files != files || exists(filepath.Join(root, build, "srv/rel/gone0")) {
		t.Errorf("%+v", sum)
	}
}

func TestWhatIsNoFolderIsTold(t *testing.T) {
	root := t.TempDir()
	for name, make := range map[string]func(string) error{
		"fifo": func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"file": func(path string) error { return os.WriteFile(path, nil, 0o600) },
	} {
		at := filepath.Join(root, name)
		if err := make(at); err != nil {
			t.Fatal(err)
		}
		if _, err := filecache.Clean(t.Context(), at, "/srv/rel", gone); !errors.Is(err, syscall.ENOTDIR) || !strings.Contains(err.Error(), at) || len(hint.Of(err)) != 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Who is not root deploys for pools of other users, too: that is no fault.
func TestWhatOnlyRootMayRemoveIsLeft(t *testing.T) {
	if os.Geteuid() != 0 {
		return
	}
	const nobody = 65534
	root, err := os.MkdirTemp("", "relink") // what t.TempDir makes lies below a folder that is closed
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(root)
	write(t, root, "closed/"+build+"/srv/rel/gone1/a.php.bin", "open/"+build+"/srv/rel/gone1/a.php.bin", "build/"+build+"/srv/rel/gone1/a.php.bin")
	if err := errors.Join(os.Chmod(root, 0o755), os.Chmod(filepath.Join(root, "closed"), 0o700), os.Chmod(filepath.Join(root, "build", build), 0o700)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"closed", "open", "build"} {
		at := filepath.Join(root, name)
		ended := make(chan error)
		go func() {
			runtime.LockOSThread() // for good: the thread ends with the goroutine
			if _, _, err := unix.RawSyscall(unix.SYS_SETRESUID, nobody, nobody, nobody); err != 0 {
				ended <- err
				return
			}
			done, err := filecache.Clean(t.Context(), at, "/srv/rel", gone)
			if !cmp.Equal(done, filecache.Cleaned{Left: []string{at}}) {
				err = errors.Join(err, fmt.Errorf("%+v", done))
			}
			ended <- err
		}()
		if err := <-ended; err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
