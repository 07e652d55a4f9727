package release

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
)

// Wherever the pieces are cut, the same comes out.
func TestPlaceless(t *testing.T) {
	const path = "/srv/releases/slot-aaaaaa"
	for text, want := range map[string]string{
		"":                                  "",
		"nothing":                           "nothing",
		path:                                "@",
		"a" + path + path + "/b":            "a@@/b",
		"/srv/releases/slot-aaaaa " + path:  "/srv/releases/slot-aaaaa @",
		`"\/srv\/releases\/slot-aaaaaa\/x"`: `"\/srv\/releases\@\/x"`,
		"/srv/releases/slot-bbbbbb":         "/srv/releases/slot-bbbbbb",
		strings.Repeat("/srv/releases", 3) + "/slo": strings.Repeat("/srv/releases", 3) + "/slo",
	} {
		var whole, bytewise bytes.Buffer
		for to, from := range map[*bytes.Buffer]io.Reader{&whole: strings.NewReader(text), &bytewise: iotest.OneByteReader(strings.NewReader(text))} {
			p := newPlaceless(to, path)
			if _, err := io.Copy(p, from); err != nil {
				t.Fatal(err)
			}
			p.finish()
			if got := strings.ReplaceAll(to.String(), placeholder, "@"); got != want {
				t.Errorf("%q became %q, want %q", text, got, want)
			}
		}
	}
}

// built makes a release in a slot, whose build writes down where it ran.
func built(t *testing.T, s *Store, slot, fetched, made string) Release {
	t.Helper()
	one := begin(t, s, "v1", slot)
	one.fetch(map[string]string{"public/index.php": fetched, "config.php": "<?php"})
	one.staging.BuildBegins()
	at := one.staging.Path()
	writeFile(t, filepath.Join(at, "cache/config.php"), "<?php return '"+at+"/public"+made+"';")
	if err := os.Symlink(filepath.Join(at, "public"), filepath.Join(at, "cache/link")); err != nil {
		t.Fatal(err)
	}
	return one.seal()
}

func digestOf(t *testing.T, s *Store, r Release) string {
	t.Helper()
	sum, err := s.Digest(t.Context(), r, nil)
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

// Two hosts, whose slots have names by chance, and whose builds write them down.
func TestDigestOfBuildsThatNameTheirPath(t *testing.T) {
	a, b, c, d := newStore(t), newStore(t), newStore(t), newStore(t)
	one, other := built(t, a, slot1, "<?php 1", ""), built(t, b, slot2, "<?php 1", "")
	want := digestOf(t, a, one)
	if got := digestOf(t, b, other); got != want {
		t.Errorf("%s and %s", got, want)
	}
	for s, r := range map[*Store]Release{c: built(t, c, slot2, "<?php 1", "/other"), d: built(t, d, slot2, "<?php 2", "")} {
		if digestOf(t, s, r) == want {
			t.Error("another content has the same digest")
		}
	}
	// What somebody has changed since is seen.
	writeFile(t, filepath.Join(other.Path, "public/index.php"), "<?php 3")
	if digestOf(t, b, other) == want {
		t.Error("a file that was changed is not seen")
	}
}

// A release in a folder of its own has the digest of the same one in a slot.
func TestDigestIsTheSameWithoutSlots(t *testing.T) {
	in, own := newStore(t), newStore(t)
	slotted, _ := made(t, in, "v1", slot1, map[string]string{"public/index.php": "<?php", "link": "-> public"})
	st := stage(t, own, "v1", "public/index.php")
	if err := os.Symlink("public", filepath.Join(st.Path(), "link")); err != nil {
		t.Fatal(err)
	}
	r, err := st.Seal(t.Context(), Manifest{Source: "test"})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := digestOf(t, own, r), digestOf(t, in, slotted); got != want {
		t.Errorf("%s and %s", got, want)
	}
}
