package webmap

import (
	"bytes"
	"testing"

	"relink/internal/damagetest"
)

// Whatever Apache's map holds, no key has white space, and the first of two lines counts.
func FuzzMap(f *testing.F) {
	for text := range damagetest.Of([]byte("# sites\nclub1 /srv/releases/v1\nclub2 /srv/releases/v2 more\nclub1 /other\n")) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		read, err := parse(bytes.NewReader(text))
		if err != nil {
			return
		}
		for key, value := range read {
			if key == "" || value == "" || key[0] == '#' || len(bytes.Fields([]byte(key))) != 1 {
				t.Errorf("%q: %q", key, value)
			}
		}
	})
}
