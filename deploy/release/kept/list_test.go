package kept

import (
	"io/fs"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Names are any bytes but a slash and a zero.
func TestListsAreReadAsTheyWereWritten(t *testing.T) {
	s := In(t.TempDir())
	l := List{Head: Head{App: "app", Slot: "slot-aaaaaa", Sealed: time.Now().UTC(), Source: "source", Commit: "abc", Entries: 3}, Files: map[string]Entry{
		"a folder":              {Mode: fs.ModeDir | fs.ModeSetgid | 0o755, Inode: 1 << 63},
		"\xfflatin\n\"quoted\"": {Size: 5, Modified: 1, Changed: -2, UID: 1 << 31, Made: Altered, Sum: string(make([]byte, 32))},
		"link":                  {Mode: fs.ModeSymlink | 0o777, Sum: "../to\n"},
	}}
	must(t, makeFolder(s), s.Write("v1", l))
	back, err := s.Read("v1")
	if diff := cmp.Diff(l, back); err != nil || diff != "" {
		t.Errorf("%v, %s", err, diff)
	}
	if head, err := s.ReadHead("v1"); err != nil || head != l.Head {
		t.Errorf("%+v, %v", head, err)
	}
	for _, read := range []func() (int, error){
		func() (int, error) { l, err := s.Read("v2"); return len(l.Files), err },
		func() (int, error) { h, err := s.ReadHead("v2"); return h.Entries, err },
	} {
		if n, err := read(); n != 0 || err != nil {
			t.Errorf("of a list that is not there: %d, %v", n, err)
		}
	}
}

// Of a list that was cut off, or that somebody has changed, nothing is believed.
func TestListsThatAreDamaged(t *testing.T) {
	text, err := format(List{Files: map[string]Entry{"a": {Sum: "x"}, "b": {Sum: "y"}}})
	must(t, err)
	if got := parse(string(text)); len(got.Files) != 2 {
		t.Fatalf("%+v", got)
	}
	for end := range text {
		if got := parse(string(text[:end])); len(got.Files) != 0 {
			t.Fatalf("cut off at %d: %+v", end, got)
		}
	}
}

func FuzzList(f *testing.F) {
	text, err := format(List{Head: Head{App: "app"}, Files: map[string]Entry{"a": {Inode: 1, Mode: 0o644, Sum: "abc"}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(text))
	f.Add(`{"entries":1}`)
	f.Fuzz(func(t *testing.T, text string) {
		read := parse(text)
		again, err := format(read)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(read.Files, parse(string(again)).Files); len(read.Files) > 0 && diff != "" {
			t.Error(diff)
		}
	})
}
