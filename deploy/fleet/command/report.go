package command

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"relink/deploy/fleet"
	"relink/internal/exit"
	"relink/internal/ui"
)

// Report is what became of a rollout.
type Report struct {
	App      string                `json:"app"`
	DryRun   bool                  `json:"dry_run"` // nothing was asked for
	Rollout  fleet.Rollout         `json:"rollout"`
	Votes    map[string]fleet.Vote `json:"hosts"`                     // what each host has said, by its name
	SpreadMS *float64              `json:"spread_ms"`                 // from the first host's cut-over to the last's, by their own clocks; null: fewer than two, or clocks are apart
	Clocks   map[string]float64    `json:"clocks_ahead_ms,omitempty"` // of each host, of whoever printed this; where they are a second or more apart
	Behind   []string              `json:"behind"`                    // hosts that are not known to be on what is wanted
	Differ   []string              `json:"differ"`                    // paths, where two hosts have prepared other contents
	Exit     int                   `json:"exit"`
	Error    *exit.Failure         `json:"error"`

	ahead map[string]time.Duration // each host's clock, of this one's
}

// apart is where clocks tell nothing of which host was first.
const apart = time.Second

// hear notes how far hosts' clocks are ahead of this one's, by what they have said since.
// What was on its way for a while looks as if a clock were behind, so that the most counts.
func (r *Report) hear(votes map[string]fleet.Vote, now time.Time) {
	if r.ahead == nil {
		r.ahead = map[string]time.Duration{}
	}
	for host, v := range votes {
		ahead := v.Said.Sub(now)
		if was, heard := r.ahead[host]; !v.Said.Equal(r.Votes[host].Said) && (!heard || ahead > was) {
			r.ahead[host] = ahead
		}
	}
	r.Clocks = nil
	if all := slices.Sorted(maps.Values(r.ahead)); len(all) > 1 && all[len(all)-1]-all[0] >= apart {
		r.Clocks = map[string]float64{}
		for host, ahead := range r.ahead {
			r.Clocks[host] = ui.Milliseconds(ahead)
		}
	}
}

// take notes how far it has come.
func (r *Report) take(now fleet.Rollout, votes map[string]fleet.Vote, there map[string]fleet.Host) {
	r.Rollout, r.Votes, r.SpreadMS, r.Behind = now, votes, nil, []string{}
	var first, last time.Time
	n := 0
	for _, host := range now.Hosts {
		v := votes[host]
		if !v.CutOver.IsZero() {
			if n++; n == 1 || v.CutOver.Before(first) {
				first = v.CutOver
			}
			if v.CutOver.After(last) {
				last = v.CutOver
			}
		}
		_, is := there[host]
		if well := v.Stage == fleet.Finished && now.Phase == fleet.Done || v.Stage.Final() && now.Phase == fleet.Back; !well || !is || v.Doubt {
			r.Behind = append(r.Behind, host)
		}
	}
	if n > 1 && r.Clocks == nil {
		spread := ui.Milliseconds(last.Sub(first))
		r.SpreadMS = &spread
	}
}

// verdict is what the command says of a rollout that has ended.
func (r *Report) verdict() error {
	var not []string
	for host, v := range r.Votes {
		if v.Error != "" && r.Rollout.Phase == fleet.Done && !slices.Contains(r.Behind, host) {
			not = append(not, host+": "+v.Error)
		}
	}
	for _, host := range r.Behind {
		why := r.Rollout.Out[host]
		if why == "" {
			why = cmp.Or(r.Votes[host].Error, unsaid(r.Votes[host]))
		}
		not = append(not, host+": "+why)
	}
	slices.Sort(not)
	switch {
	case r.Rollout.Phase == fleet.Done && len(not) == 0:
		return nil
	case r.Rollout.Phase == fleet.Done:
		return exit.As(exit.ErrUnverified, fmt.Errorf("%s is live, but not proven on all hosts (an agent that is there keeps its host out of rotation until it is): %s", r.Rollout.Target.Ref, strings.Join(not, "; ")))
	case len(not) > 0:
		return exit.As(exit.ErrUnverified, fmt.Errorf("%s; and not all hosts have said that they are back: %s", r.Rollout.Reason, strings.Join(not, "; ")))
	case r.Rollout.Moved:
		return exit.As(exit.ErrRolledBack, fmt.Errorf("taken back on all hosts: %s", r.Rollout.Reason))
	}
	return fmt.Errorf("nothing has changed on any host: %s", r.Rollout.Reason)
}

// unsaid is why a host is not known to be well that tells of no error.
func unsaid(v fleet.Vote) string {
	if v.Stage.Final() {
		return "is away now; its last word was " + string(v.Stage)
	}
	return "has not said what became of it"
}

// ended completes it.
func (r *Report) ended(err error) *Report {
	if r.Votes == nil {
		r.Votes, r.Behind = map[string]fleet.Vote{}, []string{}
	}
	if r.Differ == nil {
		r.Differ = []string{}
	}
	r.Exit, r.Error = exit.Status(err), exit.FailureOf(err)
	return r
}

// Text is the report for people.
func (r *Report) Text(width int) string {
	var b strings.Builder
	to := r.Rollout.Target
	fmt.Fprintf(&b, "%s  rollout %s, %s", r.App, r.Rollout.ID, to.Ref)
	if to.Commit != "" {
		fmt.Fprintf(&b, " (%.12s)", to.Commit)
	}
	b.WriteByte('\n')
	if r.DryRun {
		fmt.Fprintf(&b, "would go to %s: %s\n", ui.Plural(len(r.Rollout.Hosts), "host"), strings.Join(r.Rollout.Hosts, ", "))
		if len(r.Rollout.Waves) > 0 {
			fmt.Fprintf(&b, "in %d waves, after which %s have cut over; %d have to come along\n", len(r.Rollout.Waves), strings.Trim(strings.Join(strings.Fields(fmt.Sprint(r.Rollout.Waves)), ", "), "[]"), r.Rollout.Quorum)
		}
		return b.String()
	}
	table := ui.NewTable(width, "HOST", "RESULT", "RELEASE", "CUT OVER", "IN").Right(4)
	for _, host := range slices.Sorted(maps.Keys(r.Votes)) {
		v := r.Votes[host]
		at, took := "-", "-"
		if !v.CutOver.IsZero() {
			at, took = v.CutOver.UTC().Format("15:04:05.000"), ui.Duration(ui.FromMilliseconds(v.TookMS))
		}
		table.Row(host, strings.TrimSuffix(string(v.Stage)+", "+v.Error, ", "), v.Release, at, took)
	}
	b.WriteString(table.String())
	for _, host := range slices.Sorted(maps.Keys(r.Votes)) {
		if f := r.Votes[host].Fetched; f != nil {
			fmt.Fprintf(&b, "%s fetched %s of %s, %s, from %s\n", host, ui.Count(f.Files), ui.Plural(f.Of, "file"), ui.Bytes(f.Bytes), strings.Join(f.From, ", "))
		}
	}
	if r.SpreadMS != nil {
		fmt.Fprintf(&b, "from the first host's cut-over to the last's: %s, by their clocks\n", ui.Duration(ui.FromMilliseconds(*r.SpreadMS)))
	}
	if r.Clocks != nil {
		var all []string
		for _, host := range slices.Sorted(maps.Keys(r.Clocks)) {
			all = append(all, fmt.Sprintf("%s %+.1f s", host, r.Clocks[host]/1000))
		}
		fmt.Fprintf(&b, "clocks are apart, so that the cut-overs cannot be compared; ahead of this one: %s\n", strings.Join(all, ", "))
	}
	return b.String()
}
