package sourcetest

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"relink/deploy/source"
	"relink/internal/hint"
	"relink/internal/tree"
)

func WriteFile(t testing.TB, name, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Staging makes a folder as the release package does.
func Staging(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), ".staging-x")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func resolve(t *testing.T, s source.Source, ref string) source.Resolved {
	t.Helper()
	r, err := s.Resolve(t.Context(), ref)
	if err != nil {
		t.Fatalf("resolve %s: %v", ref, err)
	}
	return r
}

// Fetch resolves and fetches, and gives the staging folder.
func Fetch(t *testing.T, s source.Source, ref string) (source.Resolved, string) {
	t.Helper()
	r, into := resolve(t, s, ref), Staging(t)
	FetchInto(t, r, into, nil)
	return r, into
}

func FetchInto(t *testing.T, r source.Resolved, into string, progress source.Progress) {
	t.Helper()
	if err := r.Fetch(t.Context(), into, progress); err != nil {
		t.Fatalf("fetch %s: %v", r.Ref, err)
	}
	wantAlone(t, into)
}

// wantAlone: nothing is left beside the staging folder.
func wantAlone(t *testing.T, into string) {
	t.Helper()
	if left, err := os.ReadDir(filepath.Dir(into)); err != nil || len(left) != 1 {
		t.Errorf("beside the staging folder is left %v (%v)", left, err)
	}
}

func WantFile(t *testing.T, name, want string) {
	t.Helper()
	got, err := os.ReadFile(name)
	if err != nil {
		t.Error(err)
	} else if string(got) != want {
		t.Errorf("%s holds %q, want %q", name, got, want)
	}
}

func WantHint(t *testing.T, err error, part string) {
	t.Helper()
	if all := strings.Join(hint.Of(err), "\n"); !strings.Contains(all, part) {
		t.Errorf("hints of %q are %q, want one with %q", err, all, part)
	}
}

// Tree describes what is in a folder: name, mode, and content or target.
func Tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := tree.With(dir, func(root *os.Root) error {
		return tree.Walk(t.Context(), root, ".", func(name string, info *tree.Info) (err error) {
			text := info.Mode().String()
			switch info.Mode().Type() {
			case 0:
				var content []byte
				content, err = root.ReadFile(name)
				text += " " + string(content)
			case fs.ModeSymlink:
				text, err = root.Readlink(name)
				text = "-> " + text
			}
			found[name] = text
			return err
		}, nil)
	})
	if err != nil {
		t.Fatal(err)
	}
	delete(found, ".")
	return found
}

// CheckLinks checks all links that were brought.
func CheckLinks(t *testing.T, into string) error {
	t.Helper()
	names, err := source.Links(t.Context(), into)
	return errors.Join(err, source.CheckLinks(into, names, nil))
}
