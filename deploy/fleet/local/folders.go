package local

import (
	"relink/deploy/release"
	"relink/internal/config"
)

// nearReleases is how many releases of each application are looked into for files that a new
// one has too.
const nearReleases = 3

// Folders are those of the last releases on this host.
func Folders(apps []config.App) func() ([]string, error) {
	return func() (folders []string, err error) {
		for _, app := range apps {
			releases, err := release.Open(app.Releases)
			if err != nil {
				return nil, err
			}
			all, err := releases.List()
			if err != nil {
				return nil, err
			}
			n := 0
			for _, r := range all {
				if r.Sealed && !r.Away && n < nearReleases {
					folders = append(folders, r.Path)
					n++
				}
			}
		}
		return folders, nil
	}
}
