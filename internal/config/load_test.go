package config_test

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"relink/internal/config"
	"relink/internal/hint"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "write the messages that testdata/bad expects")

// Each file of testdata/bad holds a wrong configuration and the exact messages
// that a person gets to see.
func TestMistakesAreNamedWithTheirPlace(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no test cases", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) { mistake(t, file) })
	}
}

func mistake(t *testing.T, file string) {
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	c, err := config.Parse("relink.yaml", archive.Files[0].Data)
	if err == nil {
		t.Fatalf("accepted: %+v", c)
	}
	if !errors.Is(err, config.ErrInvalid) {
		t.Errorf("is not ErrInvalid: %v", err)
	}
	want := &archive.Files[1].Data
	if *update {
		*want = []byte(err.Error() + "\n")
		if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(string(*want), err.Error()+"\n"); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestNamesOfSkippedChecks(t *testing.T) {
	const text = "health:\n  skip: [links, memori]\n"
	if _, err := config.Parse("relink.yaml", []byte(text)); err != nil {
		t.Errorf("without names any is good: %v", err)
	}
	if _, err := config.Parse("relink.yaml", []byte(text), "links", "memori"); err != nil {
		t.Error(err)
	}
	_, err := config.Parse("relink.yaml", []byte(text), "links", "memory")
	refusal(t, err, `relink.yaml:2:17: health.skip[1]: no check is called "memori"; did you mean "memory"?
    2 |   skip: [links, memori]
      |                 ^`, "")
	_, err = config.Parse("relink.yaml", []byte("health: {skip: [xyz]}"), "links", "memory")
	refusal(t, err, `relink.yaml:1:17: health.skip[0]: no check is called "xyz"; "relink health --explain" lists them
    1 | health: {skip: [xyz]}
      |                 ^`, "")
}

func TestFileThatCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	large := filepath.Join(dir, "large.yaml")
	if err := os.WriteFile(large, bytes.Repeat([]byte("#\n"), 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "missing.yaml"): "no such file or directory",
		dir:                                "is a directory",
		large:                              "is larger than 1 MiB",
	} {
		_, err := config.Load(path)
		if !errors.Is(err, config.ErrInvalid) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
		if hints := hint.Of(err); len(hints) != 1 || !strings.Contains(hints[0], "--config") {
			t.Errorf("%s: hints %q", path, hints)
		}
	}
	_, err := config.Load(filepath.Join(dir, "missing.yaml"))
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(hint.Of(err)[0], "relink demo") {
		t.Errorf("%v %q", err, hint.Of(err))
	}
}

// Whom sudo lets run relink with a --config of his choice reads no file by it that
// only root may read; mistakes in a configuration are shown as ever.
func TestPrivateFilesAreNotShown(t *testing.T) {
	for _, one := range []struct {
		content string
		mode    os.FileMode
		shown   bool
	}{
		{"root:$y$secret:19000:0:99999:7:::\n", 0o640, false},
		{"password = \"secret\"\n", 0o600, false},
		{"key: [secret\n", 0o600, false},
		{"-- \x00 secret", 0o600, false},
		{"apps: {secret: }\n", 0o600, true},
		{"appps: secret\n", 0o644, true},
	} {
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, []byte(one.content), one.mode); err != nil {
			t.Fatal(err)
		}
		_, err := config.Load(file)
		if !errors.Is(err, config.ErrInvalid) || !strings.Contains(err.Error(), file) || strings.Contains(err.Error(), "secret") != one.shown {
			t.Errorf("%q, %s: %v", one.content, one.mode, err)
		}
	}
}

func TestProblemsAreValues(t *testing.T) {
	_, err := config.Parse("relink.yaml", []byte("apps: {}\nreste: never\n"))
	var problem *config.Problem
	if !errors.As(err, &problem) {
		t.Fatal(err)
	}
	want := &config.Problem{
		File: "relink.yaml", Line: 2, Column: 1, Key: "reste", Text: `unknown key; did you mean "reset"?`,
		Excerpt: "\n    2 | reste: never\n      | ^",
	}
	if diff := cmp.Diff(want, problem); diff != "" {
		t.Error(diff)
	}
}
