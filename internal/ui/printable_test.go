package ui

import (
	"strings"
	"testing"
)

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "plain ü": "plain ü", "a\nb": `a\x0ab`, "\x1b[31m": `\x1b[31m`, "\xff": `\xff`, "\u202e": `\xe2\x80\xae`, "<b>": "<b>",
	} {
		if got := Printable(in); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
}

// Whatever a name holds, what is shown of it is printable and stays so.
func FuzzPrintable(f *testing.F) {
	f.Add("shop\x00\xff\u202e\x1b[31m")
	f.Fuzz(func(t *testing.T, name string) {
		shown := Printable(name)
		if strings.IndexFunc(shown, unprintable) >= 0 || Printable(shown) != shown {
			t.Errorf("%q is shown as %q", name, shown)
		}
	})
}
