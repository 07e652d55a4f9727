// Package apps is what relink knows of an application: its instances, where their
// links lead, its releases folder and its files of state.
package apps

import (
	"path/filepath"

	"relink/deploy/moves"
	"relink/internal/config"
	"relink/internal/links"
)

// App is what a deploy needs to know of one application. Paths are absolute.
type App struct {
	config.App
	State    string   // folder of locks, journals and histories
	AgentDir string   // folder of the agent on this machine; "" is the default
	AgentAt  string   // the same as the PHP of the sites sees it; "" is the same path
	Others   []string // releases folders of the other applications
	Known    []string // links that were moved once, whoever they belong to now (KnownLinks)
}

func (a App) stateFile(kind string) string { return filepath.Join(a.State, a.Name+"."+kind) }
func (a App) LockFile() string             { return a.stateFile("lock") }
func (a App) JournalFile() string          { return a.stateFile("journal.json") }
func (a App) ReserveFile() string          { return a.stateFile("reserve") }
func (a App) HistoryFile() string          { return a.stateFile("history.jsonl") }

// RealReleases is the releases folder without symlinks, also before it exists.
func (a App) RealReleases() string { return links.RealFolder(a.Releases) }

// ReleaseDir is the real folder of a release, or the folder itself where a link
// leads to something that is no release.
func (a App) ReleaseDir(release string) string {
	if filepath.IsAbs(release) {
		return release
	}
	return filepath.Join(a.RealReleases(), release)
}

// Destination is where links lead that serve a release of this application.
func (a App) Destination(release string) moves.Target {
	return moves.Target{
		Release: release,
		Literal: filepath.Join(a.Releases, release, a.LinkTarget),
		Real:    links.RealFolder(filepath.Join(a.ReleaseDir(release), a.LinkTarget)),
	}
}

// Required are the folders that a release must have to be served.
func (a App) Required() []string {
	return []string{filepath.Join(".", a.LinkTarget), filepath.Join(a.LinkTarget, a.Docroot)}
}
