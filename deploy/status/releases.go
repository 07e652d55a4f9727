package status

import (
	"path/filepath"
	"time"

	"relink/deploy/apps"
	"relink/deploy/release"
	"relink/internal/links"
	"relink/internal/ui"
)

// Releases is the content of an application's releases folder, newest first.
type Releases struct {
	App      string    `json:"app"`
	Releases []Release `json:"releases"`
	Exit     int       `json:"exit"`
}

// Release is one release.
type Release struct {
	ID      string    `json:"id"`                 // its id
	Created time.Time `json:"created"`            // when it was complete
	Ref     string    `json:"ref"`                // that it was made from
	Commit  string    `json:"commit,omitempty"`   // that it was made from
	Files   int       `json:"files"`              // how many
	Bytes   int64     `json:"bytes"`              // sum of its files' sizes
	Live    int       `json:"live"`               // instances on it
	Folder  string    `json:"folder"`             // where it is: of its own, or a slot
	Away    bool      `json:"put_away,omitempty"` // it is in none: its files are kept beside
	Bad     string    `json:"bad,omitempty"`      // why it is no good: it failed its checks
	Foreign bool      `json:"foreign,omitempty"`  // not made by relink: never pruned
}

// ReadReleases changes nothing.
func ReadReleases(app apps.App) (Releases, error) {
	result := Releases{App: app.Name, Releases: []Release{}}
	store, err := release.Open(app.Releases)
	if err != nil {
		return result, err
	}
	releases, err := store.List()
	if err != nil {
		return result, err
	}
	live := app.InUse()
	for _, one := range releases {
		result.Releases = append(result.Releases, recordOf(one, app.On(one.ID, live)))
	}
	return result, nil
}

func recordOf(one release.Release, live int) Release {
	record := Release{
		ID: one.ID, Created: one.Created, Ref: one.Ref, Commit: one.Commit,
		Files: one.Files, Bytes: one.Bytes, Live: live, Folder: one.Path, Foreign: !one.Sealed, Away: one.Away,
	}
	if one.Bad != nil {
		record.Bad = one.Bad.Reason
	}
	return record
}

// Text is the releases for people.
func (r Releases) Text(width int) string {
	if len(r.Releases) == 0 {
		return "There are no releases yet.\n"
	}
	table := ui.NewTable(width, "RELEASE", "CREATED", "REF", "COMMIT", "SIZE", "LIVE ON", "").Right(4, 5)
	for _, one := range r.Releases {
		size := "-"
		if !one.Foreign {
			size = ui.Bytes(one.Bytes)
		}
		table.Row(one.ID, ui.Stamp(one.Created), one.Ref, one.Commit[:min(len(one.Commit), 8)], size, ui.Count(one.Live), one.remark())
	}
	return table.String()
}

func (r Release) remark() string {
	switch {
	case r.Bad != "":
		return "bad"
	case r.Foreign:
		return "foreign"
	case r.Away:
		return "put away"
	case links.IsPlace(r.Folder):
		return filepath.Base(r.Folder)
	}
	return ""
}
