package depot

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func list(entries ...Entry) List {
	return List{Head{Source: "archive", Description: "d", Time: time.Unix(5, 0).UTC()}, entries}
}

var (
	sum    = strings.Repeat("\x01", 32)
	folder = Entry{Name: "a", Mode: fs.ModeDir | 0o755, Time: time.Unix(0, 1)}
	file   = Entry{Name: "a/b \"c\"\n", Mode: 0o644, Time: time.Unix(0, 7), Size: 3, Sum: sum}
	link   = Entry{Name: "z", Mode: fs.ModeSymlink | 0o755, Time: time.Unix(1, 0), Sum: "a/x y"}
)

func TestListsAreReadAsTheyWereWritten(t *testing.T) {
	l := list(folder, file, link)
	text, err := l.format()
	must(t, err)
	back, err := parse(text)
	if diff := cmp.Diff(l, back); err != nil || diff != "" {
		t.Errorf("%v, %s", err, diff)
	}
}

func TestListsThatAreRefused(t *testing.T) {
	out, absolute, twice, orphan, writable, short, huge := file, file, file, file, file, file, file
	out.Name, absolute.Name, orphan.Name = "../x", "/x", "q/x"
	writable.Mode, short.Sum, huge.Size = 0o722, "x", 1<<40
	onFile := Entry{Name: file.Name + "/x", Mode: 0o644, Sum: sum}
	device := file
	device.Mode = fs.ModeDevice | 0o644
	for name, l := range map[string]List{
		"out": list(out), "absolute": list(absolute), "twice": list(folder, file, twice), "orphan": list(orphan), "writable": list(folder, writable),
		"no hash": list(folder, short), "huge": list(folder, huge), "below a file": list(folder, file, onFile), "order": list(folder, link, file), "device": list(folder, device),
	} {
		text, err := l.format()
		must(t, err)
		if _, err := parse(text); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	if _, err := parse([]byte("{")); !errors.Is(err, ErrList) {
		t.Error(err)
	}
}

func TestDelta(t *testing.T) {
	changed := file
	changed.Size = 4
	base := list(folder, file, link)
	for _, l := range []List{base, list(), list(folder, changed), list(link), list(folder, changed, link)} {
		text, err := l.delta(base)
		must(t, err)
		back, err := apply(text, base)
		if diff := cmp.Diff(l.Entries, back.Entries); err != nil || len(l.Entries)+len(back.Entries) > 0 && diff != "" {
			t.Errorf("%v, %s", err, diff)
		}
	}
}

// Nothing that is read leads out of a release, whatever was written.
func FuzzList(f *testing.F) {
	text, err := list(folder, file, link).format()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte("{}\n- \"a\"\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		base := list(folder, file, link)
		for _, read := range []func() (List, error){func() (List, error) { return parse(text) }, func() (List, error) { return apply(text, base) }} {
			l, err := read()
			if err != nil {
				continue
			}
			for _, e := range l.Entries {
				if !fs.ValidPath(e.Name) || e.Mode.Perm()&^mostMode != 0 {
					t.Errorf("%+v", e)
				}
			}
			again, err := l.format()
			must(t, err)
			if back, err := parse(again); err != nil || len(back.Entries) != len(l.Entries) {
				t.Error(err)
			}
		}
	})
}
