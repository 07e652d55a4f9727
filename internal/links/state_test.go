package links

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"relink/internal/hint"
)

// realTemp is a folder whose name has what real paths have, and no symlink in it.
func realTemp(t testing.TB) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(dir, "Früh stück [1]")
	mkdir(t, dir)
	return dir
}

func mkdir(t testing.TB, dirs ...string) {
	t.Helper()
	for _, dir := range dirs {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

func symlink(t testing.TB, target, path string) {
	t.Helper()
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestReadLink(t *testing.T) {
	root := realTemp(t)
	at := func(elements ...string) string { return filepath.Join(append([]string{root}, elements...)...) }
	mkdir(t, at("releases", "v1", "public"), at("www"), at("www", "folder"))
	write(t, at("www", "file"), "x")
	symlink(t, at("releases", "v1", "public"), at("www", "absolute"))
	symlink(t, "../releases/v1", at("www", "relative"))
	symlink(t, "../releases/gone/public", at("www", "dangling"))
	symlink(t, at("www"), at("behind"))
	symlink(t, "loop", at("www", "loop"))

	for name, c := range map[string]struct {
		path, real, parent string
		kind               Kind
	}{
		"absolute":            {at("www", "absolute"), at("releases", "v1", "public"), at("www"), Good},
		"relative":            {at("www", "relative"), at("releases", "v1"), at("www"), Good},
		"behind another link": {at("behind", "relative"), at("releases", "v1"), at("www"), Good},
		"dangling":            {at("www", "dangling"), at("releases", "gone", "public"), at("www"), Dangling},
		"missing":             {at("www", "new"), "", at("www"), Missing},
		"folder":              {at("www", "folder"), "", at("www"), Blocked},
		"file":                {at("www", "file"), "", at("www"), Blocked},
		"no parent":           {at("nowhere", "new"), "", "", NoParent},
		"file as parent":      {at("www", "file", "new"), "", "", NoParent},
	} {
		t.Run(name, func(t *testing.T) {
			state := Read(c.path)
			if state.Err != nil {
				t.Fatal(state.Err)
			}
			if state.Kind != c.kind || state.Real != c.real || c.parent != "" && state.Parent != c.parent {
				t.Errorf("%+v, want %s to %q in %q", state, c.kind, c.real, c.parent)
			}
		})
	}
	loop := Read(at("www", "loop"))
	if loop.Kind != Unreadable || loop.Err == nil || !strings.Contains(loop.Err.Error(), at("www", "loop")) || loop.Usable() == nil {
		t.Errorf("a link to itself: %+v, want an error that names it", loop)
	}
}

func TestWhatCannotBeMovedIsRefusedWithAWayOut(t *testing.T) {
	root := realTemp(t)
	mkdir(t, filepath.Join(root, "club1"))
	write(t, filepath.Join(root, "club2"), "x")
	for path, want := range map[string][2]string{
		filepath.Join(root, "club1"):      {"is a folder, not a symbolic link", "mv '" + root + "/club1'"},
		filepath.Join(root, "club2"):      {"is a file, not a symbolic link", "move the file away"},
		filepath.Join(root, "no", "link"): {"the folder for the link does not exist", "mkdir -p"},
	} {
		err := Read(path).Usable()
		if err == nil || !strings.Contains(err.Error(), want[0]) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v, want %q", path, err, want[0])
		}
		if hints := strings.Join(hint.Of(err), "\n"); !strings.Contains(hints, want[1]) {
			t.Errorf("%s: hint %q, want %q", path, hints, want[1])
		}
	}
}

// A link that is moved while it is read must not lend its new end to all with the same text.
func TestOnlyWhatStandsIsLent(t *testing.T) {
	root := realTemp(t)
	at := func(name string) string { return filepath.Join(root, name) }
	mkdir(t, at("releases/v1"), at("releases/v2"))
	for text, real := range map[string]string{at("releases/v1"): at("releases/v1"), "releases/v1": at("releases/v1"), "gone": at("gone")} {
		if !stands(State{Parent: root, Literal: text}, State{Real: real}) {
			t.Errorf("%s does not lead to %s", text, real)
		}
		if stands(State{Parent: root, Literal: text}, State{Real: at("releases/v2")}) {
			t.Errorf("%s leads to v2", text)
		}
	}
}
