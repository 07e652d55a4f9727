// Package status tells where an application stands: which release each instance is
// on, what leads from its host to its cache, and which releases there are.
package status

import (
	"context"
	_ "embed"
	"slices"
	"strings"
	"sync"
	"text/template"
	"time"

	"relink/deploy/apps"
	"relink/deploy/journal"
	"relink/deploy/lock"
	"relink/deploy/moves"
	"relink/internal/config"
	"relink/internal/links"
	"relink/internal/ui"
	"relink/opcache"
	"relink/opcache/restart"
)

// Status is where an application stands, as "relink status" shows it.
type Status struct {
	App string `json:"app"`
	// SetUp is that of the last deploy; "" where it did not learn it.
	SetUp     opcache.Addressing `json:"set_up"`
	Instances []Instance         `json:"instances"`
	Releases  []InUse            `json:"releases"`         // those that an instance is on, most used first
	Pending   *Pending           `json:"pending"`          // nil: no deploy is under way or unfinished
	Restarts  []restart.Pending  `json:"pending_restarts"` // of caches, put off until it is quiet
	Locked    *lock.Holder       `json:"locked"`           // nil: nobody deploys now
	Cache     string             `json:"cache"`            // why OPcache's figures are missing; "" when they are there
	Notes     []string           `json:"notes"`            // what could not be read of the web servers, and why
	Exit      int                `json:"exit"`
}

// Instance is one instance's link.
type Instance struct {
	Name    string     `json:"name"`           // as configured
	Link    string     `json:"link"`           // its symbolic link
	State   links.Kind `json:"state"`          // of the link
	Release string     `json:"release"`        // id, or folder that is no release; "" where there is no link
	Target  string     `json:"target"`         // the real folder
	Since   time.Time  `json:"since,omitzero"` // when it was moved there
	Sites   []Site     `json:"sites"`          // that serve it, the one that fits best first
}

// InUse is one release in use and what the caches hold of it.
type InUse struct {
	Release   string             `json:"release"`     // its id, or a folder that is none
	Instances int                `json:"instances"`   // that are on it, how many
	Cached    *opcache.Footprint `json:"cached"`      // nil: no cache was asked
	Saved     int64              `json:"saved_bytes"` // by sharing it
}

// Pending is a deploy that is under way, was interrupted, or is not settled.
type Pending struct {
	Operation journal.Operation `json:"operation"` // what runs, or ran; "" until it has noted that
	Release   string            `json:"release"`   // where the links go
	Phase     journal.Phase     `json:"phase"`     // how far it has come; "" until it has noted that
	Since     time.Time         `json:"since"`     // when it began
	Stale     []opcache.Worker  `json:"stale,omitempty"`
}

// Figures are what a status tells of OPcache.
type Figures interface {
	Footprints(ctx context.Context, folders []string) (map[string]opcache.Footprint, error)
	Usage(ctx context.Context) ([]opcache.Usage, error)
}

// Read changes nothing. Pools that do not answer are no failure: the links
// are told all the same. Without discover no web server is looked at.
func Read(ctx context.Context, app apps.App, connect func(context.Context) (Figures, error), discover Discover) (Status, error) {
	status := Status{App: app.Name, Instances: []Instance{}, Releases: []InUse{}, Notes: []string{}}
	history, err := journal.ReadPast(app.HistoryFile())
	if err != nil {
		return status, err
	}
	for _, instance := range app.Instances {
		status.Instances = append(status.Instances, instanceStatus(app, instance, history))
	}
	for _, group := range apps.ReadServing(app.Instances, app.RealReleases()) {
		if group.Release != "" {
			status.Releases = append(status.Releases, InUse{Release: group.Release, Instances: len(group.Instances)})
		}
	}
	if err := status.addUnfinished(app); err != nil {
		return status, err
	}
	if status.SetUp, err = journal.LastSetUp(app); err != nil {
		return status, err
	}
	status.addSites(ctx, app, discover)
	if err := status.addCached(ctx, app, connect); err != nil {
		status.Cache = err.Error()
	}
	return status, nil
}

func instanceStatus(app apps.App, instance config.Instance, history *journal.Past) Instance {
	state := links.Read(instance.Link)
	target := moves.TargetOf(state, app.RealReleases())
	return Instance{
		Name: instance.Name, Link: instance.Link, State: state.Kind,
		Release: target.Release, Target: target.Real, Since: history.Since(instance.Name, target), Sites: []Site{},
	}
}

func (s *Status) addUnfinished(app apps.App) error {
	left, err := journal.Read(app.JournalFile())
	if err != nil {
		return err
	}
	if left != nil {
		s.Pending = &Pending{Operation: left.Operation, Release: left.Release, Phase: left.Phase, Since: left.Started, Stale: left.Stale}
	}
	pending, err := restart.ReadPending(app.State)
	if err != nil {
		return err
	}
	s.Restarts = append([]restart.Pending{}, pending...)
	if lock.Held(app.LockFile()) != nil {
		holder := lock.ReadHolder(app.LockFile())
		s.Locked = &holder
	}
	return nil
}

func (s *Status) addCached(ctx context.Context, app apps.App, connect func(context.Context) (Figures, error)) error {
	folders := make([]string, len(s.Releases))
	for i, one := range s.Releases {
		folders[i] = app.ReleaseDir(one.Release)
	}
	caches, err := connect(ctx)
	if err != nil {
		return err
	}
	held, err := caches.Footprints(ctx, folders)
	if err != nil {
		return err
	}
	for i, folder := range folders {
		footprint := held[folder]
		s.Releases[i].Cached = &footprint
		s.Releases[i].Saved = opcache.Saved(s.Releases[i].Instances, footprint)
	}
	usages, err := caches.Usage(ctx)
	s.addOPcache(usages)
	return err
}

//go:embed status.tmpl
var pageText string

var page = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("status").Funcs(template.FuncMap{
		"stamp": ui.Stamp, "few": ui.FirstFew, "workers": opcache.DescribeWorkers,
	}).Parse(pageText))
})

// Text is the status for people.
func (s Status) Text(width int) string {
	instances := ui.NewTable(width, "INSTANCE", "RELEASE", "SINCE", "LINK")
	for _, one := range s.Instances {
		instances.Row(one.Name, one.shown(), ui.Stamp(one.Since), one.Link)
	}
	releases := ui.NewTable(width, "RELEASE", "INSTANCES", "SCRIPTS", "IN OPCACHE", "SAVED").Right(1, 2, 3, 4)
	for _, one := range s.Releases {
		releases.Row(one.cells()...)
	}
	tables := []*ui.Table{instances, releases}
	if s.served() {
		tables = slices.Insert(tables, 1, s.chain(width))
	}
	var text strings.Builder
	_ = page().Execute(&text, struct {
		Status
		Tables []*ui.Table
	}{s, tables}) // a Builder takes all
	return text.String()
}

func (i Instance) shown() string {
	switch i.State {
	case links.Good:
		return i.Release
	case links.Dangling:
		return i.Release + " (missing)"
	case links.Missing:
		return "no link yet"
	case links.NoParent:
		return "the link's folder is missing"
	case links.Unreadable:
		return "cannot be read"
	}
	return "not a link"
}

func (r InUse) cells() []string {
	scripts, held, saved := "-", "-", "-"
	if r.Cached != nil {
		scripts, held, saved = ui.Count(r.Cached.Scripts), ui.Bytes(r.Cached.Bytes), ui.Bytes(r.Saved)
	}
	return []string{r.Release, ui.Count(r.Instances), scripts, held, saved}
}
