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
	r.Rollout, r.Votes, r.SpreadMS, r.Behind = now, without(votes), nil, []string{}
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
		if !saidWell(now.Phase, v.Stage) || !is || v.Doubt {
			r.Behind = append(r.Behind, host)
		}
	}
	if n > 1 && r.Clocks == nil {
		spread := ui.Milliseconds(last.Sub(first))
		r.SpreadMS = &spread
	}
}

// saidWell tells whether the last word of a host fits how the rollout has ended.
func saidWell(phase fleet.Phase, last fleet.Stage) bool {
	return phase == fleet.Done && last == fleet.Finished || phase == fleet.Back && last.Final() && last != fleet.Finished
}

// without are the votes, but for releases that were prepared and are not there any more.
func without(votes map[string]fleet.Vote) map[string]fleet.Vote {
	kept := make(map[string]fleet.Vote, len(votes))
	for host, v := range votes {
		if v.Stage == fleet.Returned || v.Stage == fleet.Failed && !v.Doubt {
			v.Release = ""
		}
		kept[host] = v
	}
	return kept
}

// moved tells whether some host may have cut over.
func (r *Report) moved() bool {
	for _, v := range r.Votes {
		if v.Moved {
			return true
		}
	}
	return r.Rollout.Moved
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
			why = cmp.Or(r.Votes[host].Error, r.unsaid(r.Votes[host]))
		}
		not = append(not, host+": "+why)
	}
	slices.Sort(not)
	switch {
	case r.Rollout.Phase == fleet.Done && len(not) == 0:
		return nil
	case r.Rollout.Phase == fleet.Done:
		return exit.As(exit.ErrUnverified, fmt.Errorf("%s is live, but not proven on all hosts (an agent that is there keeps its host out of rotation until it is): %s", r.Rollout.Target.Ref, ui.First(mostNamed, not)))
	case !r.moved():
		return fmt.Errorf("nothing has changed on any host: %s%s", r.Rollout.Reason, r.notHeard())
	case len(not) > 0:
		return exit.As(exit.ErrUnverified, fmt.Errorf("%s; and not all hosts have said that they are back: %s", r.Rollout.Reason, ui.First(mostNamed, not)))
	}
	return exit.As(exit.ErrRolledBack, fmt.Errorf("taken back on all hosts: %s", r.Rollout.Reason))
}

// mostNamed is how many hosts a message names with their words.
const mostNamed = 20

// notHeard names the hosts that have not said the last of a rollout that nobody has cut over with.
func (r *Report) notHeard() string {
	var silent []string
	for _, host := range r.Behind {
		if !r.Votes[host].Stage.Final() {
			silent = append(silent, host)
		}
	}
	if len(silent) == 0 {
		return ""
	}
	return "; not heard of since: " + ui.First(mostNamed, silent)
}

// unsaid is why a host is not known to be well that tells of no error.
func (r *Report) unsaid(v fleet.Vote) string {
	if saidWell(r.Rollout.Phase, v.Stage) {
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
	head := fmt.Sprintf("%s: rollout %s, %s", r.App, r.Rollout.ID, to.Ref)
	if to.Commit != "" {
		head += fmt.Sprintf(" (%.12s)", to.Commit)
	}
	b.WriteString(folded(head, width))
	if r.DryRun {
		b.WriteString(folded(fmt.Sprintf("would go to %s: %s", ui.Plural(len(r.Rollout.Hosts), "host"), strings.Join(r.Rollout.Hosts, ", ")), width))
		if len(r.Rollout.Waves) > 0 {
			b.WriteString(folded(fmt.Sprintf("in %d waves, after which %s have cut over", len(r.Rollout.Waves), strings.Trim(strings.Join(strings.Fields(fmt.Sprint(r.Rollout.Waves)), ", "), "[]")), width))
		}
		b.WriteString(folded(fmt.Sprintf("%d of %d have to come along", r.Rollout.Quorum, len(r.Rollout.Hosts)), width))
		return b.String()
	}
	table := ui.NewTable(width, "HOST", "RESULT", "RELEASE", "CUT OVER", "IN").Right(4)
	for _, host := range slices.Sorted(maps.Keys(r.Votes)) {
		v := r.Votes[host]
		at, took := "-", "-"
		if !v.CutOver.IsZero() {
			at, took = v.CutOver.UTC().Format("15:04:05.000"), ui.Duration(ui.FromMilliseconds(v.TookMS))
		}
		table.Row(host, strings.TrimSuffix(string(v.Stage)+", "+v.Error, ", "), cmp.Or(v.Release, "-"), at, took)
	}
	b.WriteString(table.String())
	for _, host := range slices.Sorted(maps.Keys(r.Votes)) {
		if f := r.Votes[host].Fetched; f != nil {
			b.WriteString(folded(fmt.Sprintf("%s fetched %s of %s, %s, from %s", host, ui.Count(f.Files), ui.Plural(f.Of, "file"), ui.Bytes(f.Bytes), strings.Join(f.From, ", ")), width))
		}
	}
	if r.SpreadMS != nil {
		b.WriteString(folded(fmt.Sprintf("from the first host's cut-over to the last's: %s, by their clocks", ui.Duration(ui.FromMilliseconds(*r.SpreadMS))), width))
	}
	if r.Clocks != nil {
		var all []string
		for _, host := range slices.Sorted(maps.Keys(r.Clocks)) {
			all = append(all, fmt.Sprintf("%s %+.1f s", host, r.Clocks[host]/1000))
		}
		b.WriteString(folded("clocks are apart, so that the cut-overs cannot be compared; ahead of this one: "+strings.Join(all, ", "), width))
	}
	return b.String()
}

// folded is a line for people, of names that others have given.
func folded(line string, width int) string {
	return strings.Join(ui.Fold(ui.Printable(line), width), "\n") + "\n"
}
