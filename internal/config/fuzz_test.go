package config_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"relink/internal/config"
	"relink/internal/damagetest"

	"github.com/rogpeppe/go-internal/txtar"
)

// FuzzParse: no file makes relink panic, every refusal has a place, and what
// is accepted can be shown and loaded again as the same. Nothing is accepted
// by overlooking it: an unknown key behind an accepted file is noticed.
func FuzzParse(f *testing.F) {
	files, _ := filepath.Glob("testdata/bad/*.txtar")
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(archive.Files[0].Data))
	}
	f.Add(full(f))
	f.Add(smallest)
	for text := range damagetest.Of([]byte(smallest)) {
		f.Add(string(text))
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "instances_from") && !strings.Contains(text, "/nonexistent/*/") {
			return // what stands on this machine's disk is no part of the property
		}
		c, err := config.Parse("relink.yaml", []byte(text))
		if err != nil {
			refused(t, err)
			return
		}
		roundTrip(t, c)
		if _, err := config.Parse("relink.yaml", []byte(text+"\nunknown: 1\n")); err == nil {
			t.Fatal("the end of the file is overlooked")
		}
	})
}

func refused(t *testing.T, err error) {
	var problem *config.Problem
	if !errors.Is(err, config.ErrInvalid) || !errors.As(err, &problem) {
		t.Fatalf("not a problem: %v", err)
	}
	if problem.Line < 1 || problem.Column < 1 || problem.Text == "" {
		t.Fatalf("a problem without a place: %+v", problem)
	}
}

// FuzzText: a hook and a path of any text come back from "config show" as they were.
func FuzzText(f *testing.F) {
	for _, text := range []string{"make", "007", "~", " a", "a\t", "a: b", "- a", "é\u2028", "\\x", "a #b", "1e3", "10m", "5h.", "\r\n", "\u0085", "...", "\ufeff"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if text == "" || !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
			return // is refused when it is read
		}
		c, err := config.Parse("relink.yaml", []byte(strings.TrimPrefix(smallest, "\n")))
		if err != nil {
			t.Fatal(err)
		}
		c.Apps[0].Hooks.Build = []string{text}
		roundTrip(t, c)
	})
}
