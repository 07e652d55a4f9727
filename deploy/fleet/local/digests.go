package local

import (
	"encoding/json"
	"fmt"
	"path/filepath"

	"relink/deploy/apps"
	"relink/deploy/release"
	"relink/internal/state"
)

// Digests are kept by the content of releases: one that has none is read as a whole, which
// takes a second for 200 MB.
func digestsFile(app apps.App) string { return filepath.Join(app.State, app.Name+".digests.json") }

func readDigests(app apps.App) (map[string]string, error) {
	digests := map[string]string{}
	text, err := state.Read(digestsFile(app))
	if err == nil && text != nil && json.Unmarshal(text, &digests) != nil {
		digests = map[string]string{} // damaged: they are read anew
	}
	if err != nil {
		return nil, fmt.Errorf("digests: %w", err)
	}
	return digests, nil
}

// known gives the digest that was noted for a release, else reads and notes it, and
// forgets those of releases that are gone.
func known(app apps.App, r release.Release, read func() (string, error)) (string, error) {
	digests, err := readDigests(app)
	if err != nil || digests[r.Content()] != "" {
		return digests[r.Content()], err
	}
	sum, err := read()
	if err != nil {
		return "", err
	}
	store, err := release.Open(app.Releases)
	if err != nil {
		return "", err
	}
	there, err := store.List()
	if err != nil {
		return "", err
	}
	kept := map[string]string{r.Content(): sum}
	for _, one := range there {
		if digests[one.Content()] != "" {
			kept[one.Content()] = digests[one.Content()]
		}
	}
	return sum, state.Write(digestsFile(app), kept)
}
