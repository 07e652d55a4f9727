package hint_test

import (
	"strings"
	"testing"

	"relink/internal/hint"
)

func TestNearestWord(t *testing.T) {
	known := []string{"git", "dir", "archive", "releases", "reset", "instances"}
	for word, want := range map[string]string{
		"gti": "git", "reste": "reset", "relaese": "releases", "instance": "instances", "achrive": "archive",
		"x": "", "": "", "quickly": "", "host": "", "Git": "git",
	} {
		if got := strings.Join(hint.Nearest(word, known, 1), ", "); got != want {
			t.Errorf("%q: %q, want %q", word, got, want)
		}
	}
}

func TestNearestWordsAreToldBestFirst(t *testing.T) {
	known := []string{"v1.3", "v1.2.1", "v1.2.10", "v2", "V1.2"}
	if got := strings.Join(hint.Nearest("v1.2.11", known, 2), ", "); got != "v1.2.1, v1.2.10" {
		t.Error(got)
	}
}
