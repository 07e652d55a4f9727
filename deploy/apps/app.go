// Package apps is what relink knows of an application: its instances, where their
// links lead, its releases folder and its files of state.
package apps

import (
	"path/filepath"
	"time"

	"relink/deploy/moves"
	"relink/internal/links"
)

// App is what a deploy needs to know of one application. Paths are absolute.
type App struct {
	Name      string
	Releases  string   // folder of the releases
	SharedDir string   // folder of what the releases share
	Shared    []string // paths linked into each release from SharedDir
	Assets    []string // folders of each release whose files pages name
	State     string   // folder of locks, journals and histories

	LinkTarget string // folder inside a release that a link points at; "" or "." is the release
	Docroot    string // what the web server serves, relative to the link
	Keep       int    // releases kept besides the live ones
	MinFree    int64  // bytes that must stay free beside a new release

	Map      string // Apache's RewriteMap from instances to releases; "": none
	AgentDir string // folder of the agent on this machine; "" is the default
	AgentAt  string // the same as the PHP of the sites sees it; "" is the same path

	Instances []Instance
	Known     []string // links that were moved once, whoever they belong to now (KnownLinks)
	Hooks     Hooks
}

// Instance is one site: a named link to a release.
type Instance struct {
	Name  string
	Link  string
	Check *Check // nil: its front page is compared with what it was before the switch
	Address
	Unchecked bool // neither of the two
}

// Check is the request that proves that an instance serves after the switch.
type Check struct {
	URL      string
	Host     string // sent instead of the URL's, unless empty
	Status   int    // expected; 0 means 200
	Contains string // text that the body must hold, unless empty
	Timeout  time.Duration
}

// Hooks are shell commands around the switch.
type Hooks struct {
	Build        []string // in the new release, before it is sealed
	BeforeSwitch []string // in the new release; failing, nothing is moved
	AfterSwitch  []string // in the new release; failing, the deploy is live all the same
	Timeout      time.Duration
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
func (a App) Destination(release string) moves.Destination {
	return moves.Destination{
		Release: release,
		Path:    filepath.Join(a.Releases, release, a.LinkTarget),
		Real:    links.RealFolder(filepath.Join(a.ReleaseDir(release), a.LinkTarget)),
	}
}

// Required are the folders that a release must have to be served.
func (a App) Required() []string {
	return []string{filepath.Join(".", a.LinkTarget), filepath.Join(a.LinkTarget, a.Docroot)}
}

// ForMoves are the instances as a plan of moves needs them.
func ForMoves(instances []Instance) []moves.Instance {
	all := make([]moves.Instance, len(instances))
	for i, instance := range instances {
		all[i] = moves.Instance{Name: instance.Name, Link: instance.Link}
	}
	return all
}

// Address is where the web server of an instance is asked.
type Address struct {
	URL  string // of the document root; "": nobody knows
	Host string // sent instead of the URL's, unless empty
	Off  bool   // it is not to be asked
}
