package realpath

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// tree has links of every kind, also to what is not there.
func tree(t testing.TB) string {
	root, err := filepath.EvalSymlinks(t.TempDir())
	must(t, err)
	must(t, os.MkdirAll(filepath.Join(root, "releases/v1/public"), 0o755))
	must(t, os.MkdirAll(filepath.Join(root, "was (deleted)"), 0o755))
	must(t, os.WriteFile(filepath.Join(root, "file\nof \xff"), nil, 0o000))
	must(t, os.Mkdir(filepath.Join(root, "www"), 0o755))
	for name, target := range map[string]string{
		"www/absolute": filepath.Join(root, "releases/v1"), "www/relative": "../releases/v1", "www/twice": "absolute",
		"www/file": "../file\nof \xff", "www/deleted": "../was (deleted)", "www/nowhere": "../releases/v9", "www/loop": "loop", "data": "www",
	} {
		must(t, os.Symlink(target, filepath.Join(root, name)))
	}
	return root
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestItIsWhatEvalSymlinksSays(t *testing.T) {
	root := tree(t)
	t.Chdir(root)
	for _, name := range []string{
		".", "www", "www/absolute", "www/absolute/public/", "www/relative/../v1", "www/twice/public", "www/file", "www/deleted", "data/twice",
		"www/nowhere", "www/nowhere/public", "www/loop", "www/file/below", "missing", "", strings.Repeat("x", 300),
	} {
		for _, path := range []string{filepath.Join(root, name), name} {
			want, wantErr := filepath.EvalSymlinks(path)
			got, err := Of(path)
			if got != want && wantErr == nil || (err == nil) != (wantErr == nil) {
				t.Errorf("%q: %q %v, want %q %v", path, got, err, want, wantErr)
			}
			if errors.Is(wantErr, fs.ErrNotExist) != errors.Is(err, fs.ErrNotExist) || errors.Is(wantErr, syscall.ENOTDIR) != errors.Is(err, syscall.ENOTDIR) {
				t.Errorf("%q: %v, want %v", path, err, wantErr)
			}
		}
	}
}

func BenchmarkOf(b *testing.B) {
	link := filepath.Join(tree(b), "www/absolute")
	for name, resolve := range map[string]func(string) (string, error){"Of": Of, "EvalSymlinks": filepath.EvalSymlinks} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := resolve(link); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// A way with a link in it is not the one that was looked at.
func TestFolder(t *testing.T) {
	root, err := filepath.EvalSymlinks(t.TempDir())
	must(t, err)
	must(t, os.MkdirAll(filepath.Join(root, "a/b"), 0o755))
	must(t, os.Symlink("a", filepath.Join(root, "link")))
	must(t, os.WriteFile(filepath.Join(root, "file"), nil, 0o600))
	for name, want := range map[string]error{"a/b": nil, "link": syscall.ELOOP, "link/b": syscall.ELOOP, "gone": fs.ErrNotExist, "file": syscall.ENOTDIR} {
		folder, err := Folder(filepath.Join(root, name))
		if want == nil && err == nil {
			err = folder.Close()
		}
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
		fd, err := stepwise(filepath.Join(root, name))
		if (err == nil) != (want == nil) {
			t.Errorf("%s, step by step: %v", name, err)
		}
		if err == nil {
			must(t, syscall.Close(fd))
		}
	}
}
