package hint_test

import (
	"errors"
	"fmt"
	"testing"

	"relink/internal/hint"

	"github.com/google/go-cmp/cmp"
)

func TestHintsOfATree(t *testing.T) {
	base := errors.New("no route")
	inner := hint.With(base, "plug in the %s", "cable")
	outer := hint.With(fmt.Errorf("call pool: %w", inner), "try again")
	joined := errors.Join(outer, hint.With(errors.New("other"), "try again"), hint.With(errors.New("third"), "look"))

	if got, want := outer.Error(), "call pool: no route"; got != want {
		t.Errorf("a hint changed the message: %q, want %q", got, want)
	}
	if !errors.Is(joined, base) {
		t.Error("a hint hides the error below it")
	}
	if diff := cmp.Diff([]string{"try again", "plug in the cable", "look"}, hint.Of(joined)); diff != "" {
		t.Error(diff)
	}
	if hint.With(nil, "nothing") != nil {
		t.Error("a hint made an error out of nil")
	}
}

func TestShell(t *testing.T) {
	for path, want := range map[string]string{
		"/tmp/relink-1/relink.yaml": "/tmp/relink-1/relink.yaml",
		"/tmp/a b":                  "'/tmp/a b'",
		"/tmp/it's é":               `'/tmp/it'\''s é'`,
		"-rf":                       "./-rf",
	} {
		if got := hint.Shell(path); got != want {
			t.Errorf("Shell(%q) = %s, want %s", path, got, want)
		}
	}
}
