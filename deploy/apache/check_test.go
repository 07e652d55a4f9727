package apache

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"relink/deploy/apps"
	"relink/deploy/webmap"
	"relink/internal/config"
	"relink/internal/hint"
	"relink/php/probe"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// asked are the sites that answered.
func asked(answers map[string]probe.Answer) map[string]probe.Heard {
	all := map[string]probe.Heard{}
	for name, answer := range answers {
		all[name] = probe.Heard{Answer: answer}
	}
	return all
}

type setup struct{ apps.App }

// layOut makes releases v1 and v2, links to them, and a map.
func layOut(t *testing.T, links map[string]string, lines webmap.Map) setup {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s := setup{apps.App{App: config.App{Name: "booking", Releases: root + "/releases", Map: root + "/map"}}}
	for _, release := range []string{"v1", "v2"} {
		if err := os.MkdirAll(filepath.Join(s.Releases, release, "public"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"club1", "club2"} {
		if err := os.Symlink(filepath.Join(s.Releases, links[name], "public"), root+"/"+name); err != nil {
			t.Fatal(err)
		}
		s.Instances = append(s.Instances, config.Instance{Name: name, Link: root + "/" + name, Probe: config.Probe{Host: name + ".example.org"}})
	}
	if err := webmap.Write(s.Map, lines); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s setup) real(release string) probe.Answer {
	root := s.Releases + "/" + release + "/public"
	return probe.Answer{File: root + "/p.php", Filename: root + "/p.php", DocumentRoot: root, SAPI: "fpm-fcgi"}
}

func TestCheckResolved(t *testing.T) {
	s := layOut(t, map[string]string{"club1": "v1", "club2": "v2"},
		webmap.Map{"club1": "v1", "club2.example.org": "v2"})
	second := s.real("v2")
	second.Filename = "/" + second.Filename // a handler with a slash at its end
	result, err := Check(s.App, asked(map[string]probe.Answer{"club1": s.real("v1"), "club2": second}))
	if err != nil {
		t.Fatal(err)
	}
	want := []Finding{
		{Instance: "club1", Key: "club1", Map: "v1", Link: "v1", Serves: "v1", SAPI: "fpm-fcgi", Resolved: true},
		{Instance: "club2", Key: "club2.example.org", Map: "v2", Link: "v2", Serves: "v2", SAPI: "fpm-fcgi", Resolved: true},
	}
	ignore := cmpopts.IgnoreFields(Finding{}, "Script", "DocumentRoot")
	if diff := cmp.Diff(want, result.Sites, ignore, cmpopts.EquateEmpty(), cmpopts.IgnoreUnexported(Finding{})); diff != "" || result.Exit != 0 {
		t.Error(result.Exit, diff)
	}
}

func TestCheckFinds(t *testing.T) {
	linked := func(s setup, change func(*probe.Answer)) probe.Answer {
		answer := s.real("v1")
		change(&answer)
		return answer
	}
	for name, test := range map[string]struct {
		entry  string
		answer func(setup) probe.Answer
		want   string
	}{
		"behind":  {"v2", func(s setup) probe.Answer { return s.real("v2") }, "the map says v2, its link leads to v1"},
		"unknown": {"", func(s setup) probe.Answer { return s.real("v1") }, "the map has no line for it"},
		"stale":   {"v1", func(s setup) probe.Answer { return s.real("v2") }, "PHP runs release v2"},
		"by link": {"v1", func(s setup) probe.Answer {
			return linked(s, func(a *probe.Answer) { a.Filename = "/var/www/club1/p.php" })
		}, "SCRIPT_FILENAME is /var/www/club1/p.php"},
		"doc root": {"v1", func(s setup) probe.Answer {
			return linked(s, func(a *probe.Answer) { a.DocumentRoot = "/var/www/club1" })
		}, "DOCUMENT_ROOT is /var/www/club1"},
		"releases": {"v1", func(s setup) probe.Answer { return linked(s, func(a *probe.Answer) { a.DocumentRoot = s.Releases }) }, "DOCUMENT_ROOT is "},
		"climbs": {"v1", func(s setup) probe.Answer {
			return linked(s, func(a *probe.Answer) { a.DocumentRoot = s.Releases + "/v1/../v2" })
		}, "DOCUMENT_ROOT is "},
		"foreign": {"v1", func(s setup) probe.Answer { return linked(s, func(a *probe.Answer) { a.File = "/srv/other/p.php" }) }, "which is in no release"},
	} {
		t.Run(name, func(t *testing.T) {
			lines := webmap.Map{}
			if test.entry != "" {
				lines["club1"] = test.entry
			}
			s := layOut(t, map[string]string{"club1": "v1", "club2": "v1"}, lines)
			s.Instances = s.Instances[:1]
			result, err := Check(s.App, asked(map[string]probe.Answer{"club1": test.answer(s)}))
			if problems := strings.Join(result.Sites[0].Problems, "; "); !errors.Is(err, ErrNotResolved) || result.Exit != 1 || !strings.Contains(problems, test.want) {
				t.Errorf("%v, exit %d: %s", err, result.Exit, problems)
			}
		})
	}
}

func TestCheckOfSilentSites(t *testing.T) {
	s := layOut(t, map[string]string{"club1": "v1", "club2": "gone"}, webmap.Map{"club1": "v1", "club2": "v1"})
	silent := probe.Heard{Err: hint.With(errors.New("not found"), "look")}
	result, err := Check(s.App, map[string]probe.Heard{"club1": silent})
	if diff := cmp.Diff([]string{"look", "give the instance, or the application, a probe: {url: ..., host: ...}"}, hint.Of(err), cmpopts.SortSlices(strings.Compare)); diff != "" || !errors.Is(err, ErrNotResolved) {
		t.Error(err, diff)
	}
	if got := result.Sites[0].Problems; len(got) != 1 || got[0] != "not found" {
		t.Errorf("club1: %q", got)
	}
	if got := result.Sites[1].Problems; len(got) != 2 || !strings.HasPrefix(got[0], "its link leads to no release") {
		t.Errorf("club2: %q", got)
	}
}

func TestCheckWithoutAMap(t *testing.T) {
	s := layOut(t, map[string]string{"club1": "v1", "club2": "v1"}, nil)
	if err := os.Remove(s.Map); err != nil {
		t.Fatal(err)
	}
	if _, err := Check(s.App, nil); !errors.Is(err, os.ErrNotExist) || len(hint.Of(err)) == 0 {
		t.Error(err)
	}
}
