package crash

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// wrong lists what is not as it has to be once a command has put things right:
// each site serves the release that its link names, whole, and nothing is left.
func (w *town) wrong() (faults []string) {
	for _, site := range sites {
		if err := w.serves(site); err != nil && !(site == newSite && errors.Is(err, fs.ErrNotExist) && !exists(w.path("www", site))) {
			faults = append(faults, fmt.Sprintf("%s: %v", site, err))
		}
	}
	return append(append(faults, w.leftovers()...), w.history()...)
}

var releaseFolder = regexp.MustCompile(`^\d{8}T\d{6}Z-(v\d)(-\d+)?$`)

// leads wants a site's link to lead to a whole release.
func (w *town) leads(site string) error {
	_, err := w.release(site)
	return err
}

// release is the whole release that a site's link leads to.
func (w *town) release(site string) (ref string, err error) {
	target, err := os.Readlink(w.path("www", site))
	if err != nil {
		return "", err
	}
	if !filepath.IsAbs(target) {
		target = w.path("www", target)
	}
	found := releaseFolder.FindStringSubmatch(filepath.Base(target))
	if found == nil || filepath.Dir(target) != w.path("releases") {
		return "", fmt.Errorf("leads to %s, which is no release", target)
	}
	return found[1], wholeRelease(target, found[1])
}

// serves asks a site more often than there are workers.
func (w *town) serves(site string) error {
	ref, err := w.release(site)
	if err != nil {
		return err
	}
	want := fmt.Sprintf("release %[1]s part %[1]s\n", ref)
	for range 4 {
		body, err := w.page(site)
		if err != nil {
			return err
		}
		if body != want {
			return fmt.Errorf("answers %q, and its link leads to %s", body, ref)
		}
	}
	return nil
}

// wholeRelease wants the files of the release, as they were made.
func wholeRelease(dir, ref string) error {
	for name, want := range map[string]string{"index.php": ref, "inc/part.php": ref, "css/" + ref + ".css": ref} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		if !strings.Contains(string(text), want) {
			return fmt.Errorf("%s of %s is %q", name, filepath.Base(dir), text)
		}
	}
	_, err := os.Stat(filepath.Join(dir, "data"))
	return err
}

func (w *town) page(site string) (string, error) {
	ctx, cancel := context.WithTimeout(w.ctx, 20*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, w.server.URL()+"/index.php", nil)
	if err != nil {
		return "", err
	}
	request.Host = site + ".test"
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return string(body), err
}

// stateFiles are those that may be in the state folder when nothing is under way.
var stateFiles = []string{"club.lock", "club.history.jsonl", "probe.json", "probe.secret", "left.json", "reached.json", "health", "restart.lock", "restarts.jsonl"}

// leftovers are files that a command which ended well does not leave.
func (w *town) leftovers() (faults []string) {
	for _, name := range names(w.path("www")) {
		if !slices.Contains(sites, name) {
			faults = append(faults, "www/"+name)
		}
	}
	for _, name := range names(w.path("releases")) {
		if !releaseFolder.MatchString(name) && name != ".relink" && !exists(w.path("releases/.relink", name+".files")) {
			faults = append(faults, "releases/"+name)
		}
	}
	for _, name := range names(w.path("releases/.relink")) {
		of := strings.TrimSuffix(strings.TrimSuffix(name, ".json"), ".files")
		if of != "contents" && !exists(w.path("releases", of)) && (of == name || len(w.records(of)) != 2) {
			faults = append(faults, "releases/.relink/"+name)
		}
	}
	for _, sum := range names(w.path("releases/.relink/contents")) {
		if !slices.ContainsFunc(w.putAway(), func(id string) bool { return w.needs(id, sum) }) {
			faults = append(faults, "a file that no release needs: "+sum)
		}
	}
	for _, name := range names(w.path("state")) {
		if !slices.Contains(stateFiles, name) {
			faults = append(faults, "state/"+name)
		}
	}
	if info, err := os.Stat(w.path("state/club.lock")); err == nil && info.Size() != 0 {
		faults = append(faults, "the lock still names its holder")
	}
	return faults
}

// records are the manifest of a release and, in or after its time in a slot, its list.
func (w *town) records(id string) []string {
	return slices.DeleteFunc([]string{id + ".json", id + ".files"}, func(name string) bool { return !exists(w.path("releases/.relink", name)) })
}

// putAway are the releases that are in no folder, oldest first.
func (w *town) putAway() (ids []string) {
	for _, name := range names(w.path("releases/.relink")) {
		if id := strings.TrimSuffix(name, ".files"); id != name && !exists(w.path("releases", id)) {
			ids = append(ids, id)
		}
	}
	return ids
}

func (w *town) needs(id, sum string) bool {
	list, err := os.ReadFile(w.path("releases/.relink", id+".files"))
	return err == nil && strings.Contains(string(list), sum)
}

// history wants each line to be whole: a kill tears none.
func (w *town) history() (faults []string) {
	history, err := os.ReadFile(w.path("state/club.history.jsonl"))
	if err != nil {
		faults = append(faults, err.Error())
	}
	for line := range strings.Lines(string(history)) {
		if !json.Valid([]byte(line)) {
			faults = append(faults, fmt.Sprintf("a line of the history is %q", line))
		}
	}
	return faults
}

func exists(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}

func names(dir string) (all []string) {
	entries, _ := os.ReadDir(dir)
	for _, entry := range entries {
		all = append(all, entry.Name())
	}
	return all
}
