package source_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"relink/deploy/source"
	"relink/deploy/source/sourcetest"
)

// The same rule for git, archives and folders.
func TestLinksThatLeadOut(t *testing.T) {
	for name, test := range map[string]struct {
		links    map[string]string
		replaced []string
		refused  bool
	}{
		"inside":                 {links: map[string]string{"d/l": "../a", "m": "d/l", "nowhere": "d/gone"}},
		"absolute":               {links: map[string]string{"l": "/etc/hosts"}, refused: true},
		"out":                    {links: map[string]string{"d/l": "../../x"}, refused: true},
		"out of what is not yet": {links: map[string]string{"l": "gone/../../x"}, refused: true},
		"together":               {links: map[string]string{"d/up": "..", "l": "d/up/../x"}, refused: true},
		"replaced":               {links: map[string]string{"d/l": "/srv/uploads"}, replaced: []string{"d/l/"}},
		"into what is replaced":  {links: map[string]string{"d/l": "/srv/uploads", "l": "d/l/logo"}, replaced: []string{"d/l/"}},
		"beside what is":         {links: map[string]string{"d/l2": "/srv/uploads"}, replaced: []string{"d/l"}, refused: true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			sourcetest.WriteFile(t, filepath.Join(dir, "a"), "1")
			err := os.Mkdir(filepath.Join(dir, "d"), 0o755)
			for link, target := range test.links {
				err = errors.Join(err, os.Symlink(target, filepath.Join(dir, link)))
			}
			if err != nil {
				t.Fatal(err)
			}
			names, failed := source.Links(t.Context(), dir)
			err = errors.Join(failed, source.CheckLinks(dir, names, test.replaced))
			if errors.Is(err, source.ErrUnsafe) != test.refused || err != nil && !test.refused {
				t.Errorf("got %v", err)
			}
			if test.refused {
				sourcetest.WantHint(t, err, "under shared")
			}
		})
	}
}
