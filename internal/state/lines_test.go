package state

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"relink/internal/damagetest"
)

type event struct {
	ID   int    `json:"id"`
	What string `json:"what"`
}

func eventsIn(t testing.TB, text []byte) Lines[event] {
	t.Helper()
	path := filepath.Join(t.TempDir(), "history.jsonl")
	if text != nil {
		must(t, os.WriteFile(path, text, 0o600))
	}
	return Lines[event]{Path: path, Whole: func(e event) bool { return e.What != "" }}
}

func TestLinesAreBounded(t *testing.T) {
	line := []byte(`{"id":-1,"what":"old"}` + "\n")
	for name, text := range map[string][]byte{
		"whole": bytes.Repeat(line, linesMost),
		"cut":   append(bytes.Repeat(line, linesMost), `{"id":-1,"wh`...),
	} {
		t.Run(name, func(t *testing.T) {
			lines := eventsIn(t, text)
			for i := range 10 {
				must(t, lines.Append(event{i, "new"}))
			}
			all, err := lines.All()
			if err != nil || len(all) < linesKept || len(all) > linesKept+10 {
				t.Errorf("%d lines are kept, %v", len(all), err)
			}
			for i, e := range all[len(all)-10:] {
				if e != (event{i, "new"}) {
					t.Errorf("%v instead of the new line %d", e, i)
				}
			}
			if all[0].What != "old" {
				t.Errorf("the first is %v", all[0])
			}
		})
	}
}

// What the tail of a file begins with was cut, and is passed over.
func TestLastLines(t *testing.T) {
	lines := eventsIn(t, []byte(`{"id":1,"what":"a"}
{"id":2,"what":"b"}

{}
null
{"id":3,"what":"c"}
{"id":4,"wh`))
	for _, c := range []struct {
		n    int
		most int64
		want []event
	}{
		{0, 1000, nil},
		{2, 1000, []event{{3, "c"}, {2, "b"}}},
		{9, 1000, []event{{3, "c"}, {2, "b"}, {1, "a"}}},
		{9, 35, []event{{3, "c"}}},
	} {
		if got, err := lines.Last(c.n, c.most); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("last %d in %d bytes: %v, %v", c.n, c.most, got, err)
		}
	}
}

func TestNoLinesYet(t *testing.T) {
	if all, err := eventsIn(t, nil).All(); all != nil || err != nil {
		t.Error(all, err)
	}
}

// Whatever a history holds, what is made of it are its whole lines, in order.
func FuzzLines(f *testing.F) {
	f.Add([]byte(`{"id":1,"what":"deploy"}` + "\n" + `{"id":2,"wh`))
	f.Add([]byte("\n\n{}\nnull\n[]\n"))
	f.Add([]byte(`{"id":1,"what":"deploy"}` + "\n" + `{"id":2,"what":"prune"}`))
	for text := range damagetest.Of([]byte(`{"id":1,"what":"deploy"}` + "\n" + `{"id":2,"what":"prune"}` + "\n")) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		lines := eventsIn(t, text)
		var want []event
		for line := range bytes.Lines(text) {
			var e event
			if json.Unmarshal(line, &e) == nil && lines.Whole(e) {
				want = append(want, e)
			}
		}
		got, err := lines.Last(len(text)+1, bytesMost)
		slices.Reverse(got)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%v, want %v: %v", got, want, err)
		}
	})
}

// Lines of 10,000 instances are long: the file has a bound in bytes too.
func TestLongLinesAreShortened(t *testing.T) {
	for _, c := range []struct {
		text string
		more int
		want string
	}{
		{"aa\nbb\ncc\n", 3, ""},
		{"aa\nbb\ncc\n", 4, "bb\ncc\n"},
		{"aaaaaaaa\nb\ncc", 4, "b\ncc"},
		{"bb\naaaaaaaaaaaa\n", 4, "nothing"},
	} {
		got := shortened([]byte(c.text), c.more, 12)
		if (got == nil) != (c.want == "") || c.want != "nothing" && string(got) != c.want {
			t.Errorf("%q and %d more: %q", c.text, c.more, got)
		}
	}
}

// A file that others have made as large as they like is read from its end.
func TestAHugeFileIsNotReadWhole(t *testing.T) {
	lines := eventsIn(t, []byte("x"))
	must(t, os.Truncate(lines.Path, 1<<40))
	must(t, lines.Append(event{1, "new"}))
	if all, err := lines.All(); err != nil || len(all) != 1 {
		t.Errorf("%d lines, %v", len(all), err)
	}
}

// What is found by its text alone is what the lines say.
func TestStrings(t *testing.T) {
	text := ""
	for _, what := range []string{"a", `say "what":"not"`, "b\\", "früh\u2028stück\n<&>", "a", ""} {
		line, err := json.Marshal(event{1, what})
		must(t, err)
		text += string(line) + "\n"
	}
	end, err := eventsIn(t, []byte(text+`{"id":1,"what":"cut short`)).End(bytesMost)
	must(t, err)
	if got, want := end.Strings("what"), []string{"a", `say "what":"not"`, "b\\", "früh\u2028stück\n<&>", ""}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if got := new(End[event]).Strings("what"); got != nil {
		t.Errorf("of nothing %q", got)
	}
}
