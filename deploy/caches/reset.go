package caches

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"relink/internal/exit"
	"relink/internal/hint"
	"relink/internal/trust"
	"relink/internal/ui"
	"relink/opcache"
	"relink/opcache/report"
	"relink/opcache/restart"
	"relink/php/fpm"
)

// ResetResult tells what "opcache reset" did. As JSON it is the contract of
// docs/opcache.md.
type ResetResult struct {
	Decisions []restart.Order   `json:"decisions"` // of --when-needed
	Masters   []ResetMaster     `json:"masters"`   // that were restarted
	Pending   []restart.Pending `json:"pending"`   // put off until it is quiet
	Notes     []string          `json:"notes"`     // what else there is to say
	Exit      int               `json:"exit"`
	Error     *exit.Failure     `json:"error,omitempty"`
}

// ResetMaster is one restart with its times.
type ResetMaster struct {
	restart.MasterRestart
	WaitedMS float64 `json:"waited_ms"` // for a quiet moment
	TookMS   float64 `json:"took_ms"`   // from the restart to its proof
	WarmMS   float64 `json:"warm_ms"`   // the warming after it
}

func validateRestart(s restart.Setup) error {
	if methods := []restart.Method{restart.MethodAuto, restart.MethodOPcache, restart.MethodFPM, restart.MethodApache}; !slices.Contains(methods, s.Method) {
		return fmt.Errorf("no method %q: there are auto, opcache, fpm and apache", s.Method)
	}
	if s.Restart.Wait < 0 {
		return fmt.Errorf("--wait %s: a wait is not negative", s.Restart.Wait)
	}
	return nil
}

// reset is "relink opcache reset".
func (s *session) reset(ctx context.Context, whenNeeded bool) error {
	result := ResetResult{Decisions: []restart.Order{}, Masters: []ResetMaster{}, Pending: []restart.Pending{}, Notes: []string{}}
	err := s.stateFolder()
	if err == nil {
		s.setup.Restart.Waiting = restart.Announce(s.Screen().Line)
		ledger := restart.Queue{Dir: s.setup.State, By: trust.UserName(os.Getuid())}
		err = s.resetCaches(ctx, ledger, whenNeeded, &result)
	}
	if errors.Is(err, fpm.ErrKillsRequests) {
		err = hint.With(err, "or use --force at a quiet moment")
	}
	result.Exit, result.Error = exit.Status(err), exit.FailureOf(err)
	if err != nil && len(result.Masters) == 0 && s.Format != "json" {
		return err
	}
	return s.ShowFailed(result, err)
}

func (s *session) resetApache(ctx context.Context, ledger restart.Queue, result *ResetResult) error {
	one, err := restart.RestartApache(ctx, s.setup.Restart)
	result.add(restart.Outcome{Masters: []restart.MasterRestart{one}})
	asked := restart.Order{Pools: []string{}, Decision: restart.Decision{Reasons: []restart.Reason{askedFor}}}
	return errors.Join(err, ledger.Remember(asked, one, err))
}

var askedFor = restart.Reason{Crossed: true, Text: "asked for by opcache reset"}

func (s *session) resetCaches(ctx context.Context, ledger restart.Queue, whenNeeded bool, result *ResetResult) error {
	caches, err := s.meant(ctx, whenNeeded)
	if errors.Is(err, errOnlyApache) {
		return s.resetApache(ctx, ledger, result)
	}
	if err != nil {
		return err
	}
	o := s.setup.Restart
	o.Unused = s.unused()
	finish := o // by default each in the way that was decided on
	if !whenNeeded {
		o.Method, finish.Method = s.setup.Method, s.setup.Method
	}
	finished, err := ledger.Resume(ctx, caches, finish)
	result.add(finished)
	if err != nil {
		return err
	}
	if whenNeeded {
		s.setup.Queue, s.setup.Before = ledger, s.recorded()
		kept, err := s.setup.MaintainEach(ctx, s.apps(), true)
		result.Decisions = append(result.Decisions, kept.Decisions...)
		result.add(kept.Outcome)
		if kept.Retired > 0 {
			result.Notes = append(result.Notes, ui.Plural(kept.Retired, "script")+" of releases that nobody uses invalidated")
		}
		return err
	}
	orders, err := s.orders(ctx, caches, result.Masters)
	if err != nil {
		return err
	}
	result.Pending = []restart.Pending{} // what Finish could not do is tried again, with the wait
	carried, err := ledger.Run(ctx, caches, orders, o)
	result.add(carried)
	return err
}

// errOnlyApache: Apache is meant, and no site tells of a cache that it holds.
var errOnlyApache = errors.New("no cache of Apache is known")

// meant are the caches that the method is about.
func (s *session) meant(ctx context.Context, whenNeeded bool) (*opcache.Caches, error) {
	web := s.setup.Web(ctx, s.chosen)
	switch {
	case s.setup.Method != restart.MethodApache || whenNeeded:
		return s.setup.Connect(ctx, s.chosen, web)
	case len(web.Pools) == 0:
		return nil, errOnlyApache
	}
	return opcache.Connect(ctx, web.Pools, s.setup.Options)
}

// orders are for every cache that has not been restarted a moment ago.
func (s *session) orders(ctx context.Context, caches *opcache.Caches, done []ResetMaster) ([]restart.Order, error) {
	usages, err := caches.Usage(ctx)
	if err != nil {
		return nil, err
	}
	var orders []restart.Order
	for _, u := range usages {
		if slices.ContainsFunc(done, func(m ResetMaster) bool { return opcache.SamePools(m.Pools, u.Pools) }) {
			continue
		}
		orders = append(orders, restart.Order{Pools: u.Pools, Decision: restart.Decision{Action: s.setup.Method.Action(u.Preloaded > 0, u.Apache), Reasons: []restart.Reason{askedFor}}})
	}
	return orders, nil
}

// recorded are the figures of the last sample of "opcache report".
func (s *session) recorded() []opcache.Usage {
	totals, err := report.LoadTotals(samplesFolder(s.setup.Setup), time.Now())
	if err != nil || totals == nil {
		return nil
	}
	var usages []opcache.Usage
	for _, m := range totals.Masters {
		usages = append(usages, opcache.Usage{Pools: m.Pools, Started: m.CountedSince,
			Figures: opcache.Figures{Hits: m.Hits, Misses: m.Misses, Restarts: m.OOMRestarts + m.HashRestarts + m.ManualRestarts}})
	}
	return usages
}

func (s *session) unused() []string {
	var all []string
	for _, app := range s.apps() {
		all = append(all, app.InUse().Unused()...)
	}
	return all
}

func (r *ResetResult) add(o restart.Outcome) {
	for _, m := range o.Masters {
		r.Masters = append(r.Masters, ResetMaster{m, ui.Milliseconds(m.Waited), ui.Milliseconds(m.Took), ui.Milliseconds(m.WarmFor)})
	}
	r.Pending = append(r.Pending, o.Pending...)
	r.Notes = append(r.Notes, o.Notes...)
}

// Text is the result for people.
func (r ResetResult) Text(width int) string {
	var b strings.Builder
	for _, m := range r.Masters {
		b.WriteString(m.table(width))
	}
	for _, d := range r.Decisions {
		if !d.Action.Empties() {
			t := ui.NewTable(width, "no restart", ui.FirstFew(d.Pools))
			t.Row("because", strings.Join(d.Texts(), "; "))
			b.WriteString(t.String())
		}
	}
	for _, p := range r.Pending {
		t := ui.NewTable(width, "pending", ui.FirstFew(p.Pools))
		t.Row("restart", string(p.Action)+", since "+p.Since.Local().Format("2006-01-02 15:04"))
		t.Row("because", p.Last)
		t.Row("when", `the next deploy, or "relink opcache reset", does it when it is quiet`)
		b.WriteString(t.String())
	}
	for _, note := range r.Notes {
		b.WriteString("note: " + note + "\n")
	}
	if b.Len() == 0 {
		b.WriteString("nothing had to be restarted\n")
	}
	return b.String()
}

func (m ResetMaster) table(width int) string {
	what, head := ui.FirstFew(m.Pools)+m.by(), "restarted"
	if len(m.Pools) == 0 {
		what = "Apache" + m.by()
	}
	if !m.Proven {
		head = "not proven"
	}
	t := ui.NewTable(width, head, what)
	t.Row("how", fmt.Sprintf("%s, after %s of waiting, in %s", m.Action, ui.Duration(m.Waited), ui.Duration(m.Took)))
	if !m.Proven {
		return t.String()
	}
	if len(m.Pools) > 0 {
		t.Row("before", figuresText(m.Before))
		t.Row("after", figuresText(m.After))
		t.Row("warmed", fmt.Sprintf("%s in %s, %d failed, %d no longer in use", ui.Plural(m.Warm.Scripts, "script"), ui.Duration(m.WarmFor), len(m.Warm.Failed), m.Warm.Absent))
	}
	t.Row("proof", m.proof())
	for _, note := range m.Notes {
		t.Row("note", note)
	}
	return t.String()
}

func (m ResetMaster) by() string {
	if m.PID == 0 || strings.HasSuffix(ui.FirstFew(m.Pools), fmt.Sprintf("pid %d)", m.PID)) {
		return ""
	}
	return fmt.Sprintf(" (pid %d)", m.PID)
}

func (m ResetMaster) proof() string {
	switch m.Action {
	case restart.ReloadFPM:
		return "new workers, a new start of OPcache, and an answer of every pool"
	case restart.ReloadApache:
		if len(m.Pools) > 0 {
			return "new processes of Apache, and a new start of OPcache"
		}
		return "a new generation of Apache answers"
	}
	return fmt.Sprintf("OPcache counts %s, one more than before; the workers are the same", ui.Plural(m.After.Restarts, "restart"))
}

func figuresText(f opcache.Figures) string {
	return fmt.Sprintf("%s used, %s wasted, %s free; %s, %s of %s", ui.Bytes(f.UsedBytes), ui.Bytes(f.WastedBytes), ui.Bytes(f.FreeBytes),
		ui.Plural(f.Scripts, "script"), ui.Plural(f.Keys, "key"), ui.Count(f.MaxKeys))
}
