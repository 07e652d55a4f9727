package restart

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"relink/internal/hint"
	"relink/internal/links"
	"relink/internal/ui"
	"relink/opcache"
	"relink/php"
	"relink/php/fpm"
)

// ErrOnePreload: PHP preloads one release only, and the sites would be on several.
var ErrOnePreload = errors.New("PHP can preload one release only")

// EndWorkers has the workers of a cache end with the request that they are in;
// the cache stays as it is.
const EndWorkers Action = "workers"

// The figures of what has to be renewed with a switch.
const (
	FigurePreloadMoves = "preload_moves" // what opcache.preload loads is of the release that is left
	FigureUserINI      = "user_ini"      // a .user.ini that workers remember changes
	FigureSettings     = "fpm_settings"  // what FPM's configuration includes from a release changes
)

// Needs is what a switch does to one FPM master that neither the sweep nor an
// invalidation undoes.
type Needs struct {
	Preload Preloading
	UserINI []string // files of the document roots that workers remember and that change, for people
	Apache  bool     // the cache is part of Apache (mod_php), which has no .user.ini
	MayEnd  error    // why its workers cannot be ended one by one; nil: they can

	Settings bool // FPM's configuration includes files through links, and they change
}

// Renewal is what one FPM master has to do with the switch.
type Renewal struct {
	Order          // the reload that comes with the switch
	Notes []string // what nobody could try
}

// Decide tells which processes have to be renewed with the switch. Functions and
// classes that were preloaded of the old release collide with the new one's from
// the first new page on, and only a reload of the master replaces them. What a
// worker remembers of .user.ini (for user_ini.cache_ttl, by literal folder;
// fpm_main.c, php_cgi_ini_activate_user_config) goes with the worker.
func (n Needs) Decide() (Decision, error) {
	d := Decision{Action: None}
	if n.Preload.changes() {
		if err := n.Preload.conflict(); err != nil {
			return d, err
		}
		d.Action, d.Reasons = MethodFPM.Action(true, n.Apache), append(d.Reasons, Reason{Figure: FigurePreloadMoves, Value: 1, Crossed: true, Text: n.Preload.text()})
	}
	if n.Settings {
		d.Action, d.Reasons = ReloadFPM, append(d.Reasons, Reason{Figure: FigureSettings, Value: 1, Crossed: true,
			Text: "FPM's configuration includes settings of the release, and they change"})
	}
	if len(n.UserINI) == 0 {
		return d, nil
	}
	why := Reason{Figure: FigureUserINI, Value: float64(len(n.UserINI)), Crossed: true,
		Text: fmt.Sprintf("%s of the document root changes, which workers remember: %s", ui.Plural(len(n.UserINI), "file"), ui.FirstFew(n.UserINI))}
	switch {
	case d.Action == ReloadFPM:
	case n.MayEnd == nil:
		d.Action = EndWorkers
	default:
		d.Action, why.Text = ReloadFPM, why.Text+"; they cannot be ended one by one: "+n.MayEnd.Error()
	}
	d.Reasons = append(d.Reasons, why)
	return d, nil
}

// Reloads tells a restart that starts new processes.
func (d Decision) Reloads() bool { return d.Action == ReloadFPM || d.Action == ReloadApache }

// Renews tells a restart that has to come with the switch, whatever room there is.
func (d Decision) Renews() bool {
	return d.Reloads() && d.because(FigureUserINI, FigurePreloadMoves, FigureSettings)
}

func (d Decision) because(figures ...string) bool {
	return slices.ContainsFunc(d.Reasons, func(r Reason) bool { return slices.Contains(figures, r.Figure) })
}

// masterRenewal is one FPM master that may have to follow with new processes.
type masterRenewal struct {
	memory        *opcache.Cache
	master        fpm.Master // the zero Master where this machine does not show it
	configuration php.Configuration
	preloaded     []string          // scripts, as this machine sees them
	next          string            // preload script after the switch, where that is of a release
	passed        []string          // places of the sites' links that opcache.preload leads through
	moved         map[string]string // where the places of the sites' links lead after the switch
	preload       Preloading
	forgets       bool // no worker remembers a .user.ini: its folder is another after the switch, or it reads none
}

// Renewals tells what the switch does to each FPM master that neither the sweep
// nor an invalidation undoes. sites are all that the caches serve, each with where
// it leads now and then. That a reload would end the master is an error: it is
// asked before anything moves.
func Renewals(ctx context.Context, s *opcache.Switch, sites []opcache.Link) ([]Renewal, error) {
	ctx, cancel := context.WithTimeout(ctx, s.Caches.Options.Timeouts.Call+fpm.DefaultReloadLimit)
	defer cancel()
	s.Emptied = nil
	all, err := renewalsOf(ctx, s.Caches, sites)
	renewals := make([]Renewal, 0, len(all))
	for _, one := range all {
		one.forgets = s.Addressing == opcache.Resolved || one.memory.OfApache()
		renewal, err := one.renewal(ctx, s.Caches.Options.Docroot, sites)
		if err != nil {
			return nil, fmt.Errorf("FPM master of %s: %w", one.memory.Name(), err)
		}
		if renewal.Reloads() {
			s.Emptied = append(s.Emptied, renewal.Pools...)
		}
		renewals = append(renewals, renewal)
	}
	return renewals, err
}

// PreloadRenewals tells the same of what is preloaded alone, where the new release does
// not exist yet.
func PreloadRenewals(ctx context.Context, c *opcache.Caches, sites []opcache.Link) ([]Renewal, error) {
	all, err := renewalsOf(ctx, c, sites)
	var renewals []Renewal
	for _, one := range all {
		decision, err := Needs{Preload: one.preload, Apache: one.memory.OfApache()}.Decide()
		if err != nil {
			return nil, fmt.Errorf("FPM master of %s: %w", one.memory.Name(), err)
		}
		renewals = append(renewals, Renewal{Order: Order{one.memory.Addresses(), decision}})
	}
	return renewals, err
}

func renewalsOf(ctx context.Context, c *opcache.Caches, sites []opcache.Link) ([]*masterRenewal, error) {
	moved := map[string]string{}
	for _, l := range sites {
		moved[links.Place(l.Path)] = l.To
	}
	masters, err := fpm.Masters(ctx) // once: a server may have one for each site
	if err != nil {
		return nil, err
	}
	var all []*masterRenewal
	for _, m := range c.All {
		one, err := newRenewing(ctx, m, masters, moved)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	for i, one := range all {
		one.preload = one.preloading(moved, sites, servedBy(all, i, sites))
	}
	return all, nil
}

func newRenewing(ctx context.Context, m *opcache.Cache, masters []fpm.Master, moved map[string]string) (*masterRenewal, error) {
	one := &masterRenewal{memory: m, moved: moved}
	first := m.Spaces[0]
	var err error
	if one.configuration, err = first.Agent().Configuration(ctx); err != nil {
		return nil, err
	}
	if one.master, err = m.FindIn(masters); err != nil || one.configuration.Preload == "" {
		return one, err
	}
	_, one.passed = links.Follow(one.file(), moved)
	paths, err := first.Agent().Preloaded(ctx)
	for _, path := range paths {
		one.preloaded = append(one.preloaded, first.ToHost(path))
	}
	return one, err
}

// file is opcache.preload as this machine sees it: the master reads it, who may
// be in another root than its pools.
func (r *masterRenewal) file() string {
	if r.master.PID == 0 {
		return r.memory.Spaces[0].ToHost(r.configuration.Preload)
	}
	return r.master.HostPath(r.configuration.Preload)
}

// servedBy leaves out the sites for which another master preloads: whoever has a
// master for each site has them for that.
func servedBy(all []*masterRenewal, i int, sites []opcache.Link) []opcache.Link {
	return slices.DeleteFunc(slices.Clone(sites), func(l opcache.Link) bool {
		place := links.Place(l.Path)
		return !slices.Contains(all[i].passed, place) && slices.ContainsFunc(all, func(other *masterRenewal) bool { return slices.Contains(other.passed, place) })
	})
}

// renewal decides on one master, and tries what its reload would preload.
func (r *masterRenewal) renewal(ctx context.Context, docroot string, sites []opcache.Link) (Renewal, error) {
	n := Needs{Preload: r.preload, Apache: r.memory.OfApache()}
	renewal := Renewal{Order: Order{Pools: r.memory.Addresses()}}
	var err error
	switch n.UserINI, err = r.userINI(ctx, docroot, sites); {
	case ctx.Err() != nil:
		return renewal, ctx.Err()
	case err != nil:
		renewal.Notes = append(renewal.Notes, "nobody knows what workers remember wrongly: "+err.Error())
	case len(n.UserINI) > 0:
		n.MayEnd = mayEndWorkers(ctx, r.memory)
	}
	n.Settings, err = r.settings(ctx)
	if errors.Is(err, errSettings) {
		renewal.Notes, err = append(renewal.Notes, err.Error()), nil
	}
	if err != nil {
		return renewal, err
	}
	if renewal.Decision, err = n.Decide(); err != nil || !r.preload.changes() {
		return renewal, err
	}
	err = r.try(ctx)
	if errors.Is(err, fpm.ErrUntried) {
		renewal.Notes, err = append(renewal.Notes, err.Error()), nil
	}
	return renewal, hint.With(err, "to do it by hand, move the links alone with --reset never, and restart PHP-FPM right after that; or take opcache.preload out")
}
