package caches

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"relink/deploy/journal"
	"relink/internal/durable"
	"relink/internal/exit"
	"relink/internal/hint"
	"relink/internal/links"
	"relink/internal/pace"
	"relink/internal/ui"
	"relink/opcache"
	"relink/opcache/report"
	"relink/opcache/restart"
	"relink/php"
	"relink/php/fpm"
)

// ReportOptions choose what "opcache report" samples and shows.
type ReportOptions struct {
	Window time.Duration // between two samples of this run; 0: since the last recorded one
	HTML   string        // file for the page, too
	Build  report.Options
}

var reportFormats = []string{"text", "json", "prometheus", "csv"}

func (o ReportOptions) validate() error {
	switch {
	case o.Window < 0:
		return fmt.Errorf("--window %s: a window is not negative", o.Window)
	case o.Build.Top < 0:
		return fmt.Errorf("--top %d: a number of rows is not negative", o.Build.Top)
	case o.Build.Top == 0 && (o.Build.TopBy != "" || o.Build.TopFolders):
		return errors.New("--top-by and --folders go with --top N")
	case o.Build.TopBy != "" && !slices.Contains(report.Orders, o.Build.TopBy):
		return fmt.Errorf("--top-by %q: there are bytes, hits and never", o.Build.TopBy)
	}
	return nil
}

// samplesFolder is the folder of the recorded samples.
func samplesFolder(s opcache.Setup) string { return filepath.Join(s.State, "samples") }

// recordEvery keeps a report that is asked for each second from pushing the
// older samples out.
const recordEvery = time.Minute

// report is "relink opcache report".
func (s *session) report(ctx context.Context, o ReportOptions) error {
	pools, problems := s.fpmPools(ctx)
	web := s.setup.Web(ctx, s.chosen)
	if pools = slices.Concat(pools, web.Pools); len(pools)+len(problems) == 0 {
		return nothingFound(web)
	}
	recorded, err := report.LoadTotals(samplesFolder(s.setup.Setup), time.Now())
	if err != nil {
		s.Log().Debug().Err(err).Msg("no earlier sample")
	}
	apps := s.applications()
	before, fresh := recorded, recorded
	if o.Window > 0 {
		first := ReadSample(ctx, pools, s.setup.Options.Timeouts.Call, recorded).Totals(apps)
		before = &first
		if err := pace.Wait(ctx, o.Window); err != nil {
			return err
		}
	}
	sample := ReadSample(ctx, pools, s.setup.Options.Timeouts.Call, recorded)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	sample.Masters = append(sample.Masters, problems...)
	s.addAwaited(&sample)
	s.addChanged(&sample, apps)
	if fresh == nil || sample.Time.Sub(fresh.Time) >= recordEvery {
		if err := report.SaveTotals(samplesFolder(s.setup.Setup), sample.Totals(apps)); err != nil {
			s.Log().Debug().Err(err).Msg("the sample is not recorded")
		}
	}
	return s.showReport(report.Build(sample, before, apps, o.Build), o.HTML)
}

func nothingFound(web opcache.Web) error {
	err := hint.With(opcache.ErrNoPool, "start PHP-FPM, or name the pools under `pools:` in the configuration")
	if web.Hidden != nil {
		err = hint.With(err, "with mod_php the site itself has to answer: %v", web.Hidden)
	}
	return err
}

// fpmPools lists what there is to read of PHP-FPM. A master that runs here and whose pools
// cannot be told is missing from the report, and is named in it.
func (s *session) fpmPools(ctx context.Context) ([]php.Pool, []report.Master) {
	if len(s.setup.Pools) > 0 || s.setup.NoFPM {
		return s.setup.Configured(s.chosen), nil
	}
	masters, err := fpm.Masters(ctx)
	if err != nil {
		return nil, []report.Master{{Name: "FPM masters", Err: err}}
	}
	var pools []php.Pool
	var problems []report.Master
	for _, m := range masters {
		found, err := m.Pools(ctx)
		pools = append(pools, found...)
		if err != nil {
			problems = append(problems, report.Master{Name: fmt.Sprintf("FPM master %d", m.PID), Err: err})
		}
	}
	return pools, problems
}

// applications are told with their links as they are now.
func (s *session) applications() []report.Application {
	var all []report.Application
	for _, app := range s.apps() {
		releases := links.RealFolder(app.Releases)
		one := report.Application{Name: app.Name, Releases: releases, Slots: links.Occupants(releases)}
		for _, site := range app.Instances {
			one.Instances = append(one.Instances, report.Instance{Name: site.Name, Link: site.Link, Target: target(site.Link)})
		}
		for _, done := range s.deployed(app.Name) {
			one.Deploys = append(one.Deploys, done.Time)
		}
		all = append(all, one)
	}
	return all
}

func (s *session) deployed(app string) []journal.Event {
	all, err := journal.Deployed(s.setup.State, app)
	if err != nil {
		s.Log().Debug().Err(err).Str("app", app).Msg("no recorded deploys")
	}
	return all
}

// addAwaited shows restarts that were decided and not yet done.
func (s *session) addAwaited(sample *report.Sample) {
	pending, err := restart.ReadPending(s.setup.State)
	if err != nil {
		s.Log().Debug().Err(err).Msg("pending restarts")
	}
	for _, p := range pending {
		for i := range sample.Masters {
			if m := &sample.Masters[i]; p.About(m.Pools) {
				m.Awaited = &report.Awaited{Action: string(p.Action), Since: &p.Since, Tries: p.Tries, Reasons: restart.Decision{Reasons: p.Reasons}.Texts(), Last: p.Last}
			}
		}
	}
}

func (s *session) showReport(r *report.Report, page string) error {
	err := incomplete(r)
	if page != "" {
		if writeErr := writePage(r, page); writeErr != nil {
			return errors.Join(writeErr, err)
		}
		s.Screen().Line("  page        %s", page)
	}
	if printErr := s.printReport(r); printErr != nil {
		return errors.Join(printErr, err)
	}
	if err != nil && s.Format == "json" {
		return exit.Printed(err)
	}
	return err
}

func writePage(r *report.Report, path string) error {
	var text bytes.Buffer
	if err := r.HTML(&text); err != nil {
		return err
	}
	return durable.WriteFile(path, text.Bytes(), 0o644)
}

func (s *session) printReport(r *report.Report) error {
	switch s.Format {
	case "json":
		return ui.JSON(s.Out, r)
	case "prometheus":
		return r.Prometheus(s.Out)
	case "csv":
		return r.CSV(s.Out)
	}
	return r.Text(s.Out, s.textOptions())
}

// textOptions draws bars and colours if the results go to a terminal.
func (s *session) textOptions() report.TextOptions {
	o := report.TextOptions{Width: reportTextWidth}
	if terminal, width := s.Terminal(); terminal {
		o.Terminal, o.Width, o.Color = true, min(max(width, reportTextWidth), widestReport), bool(s.Screen().Colors())
	}
	return o
}

const (
	reportTextWidth = 80
	widestReport    = 100
)

// incomplete names what could not be read.
func incomplete(r *report.Report) error {
	var missing []string
	for _, m := range r.Masters {
		for _, down := range m.Down {
			missing = append(missing, fmt.Sprintf("pool %s: %s", down.Pool, down.Error))
		}
		if m.Error != nil && len(m.Down) == 0 {
			missing = append(missing, fmt.Sprintf("%s: %s", m.Name, *m.Error))
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return hint.With(exit.As(exit.ErrUnverified, fmt.Errorf("the report is incomplete: %s", strings.Join(missing, "; "))),
		"start what is down, or take it out of `pools:`; what is shown is right for the others")
}
