package health

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"relink/internal/hint"
	"relink/internal/links"
	"relink/internal/ui"
)

func checkLinks(_ *Facts, a *App, _ *Thresholds) Result {
	if a.neverDeployed() {
		return problem(Warning, "never deployed: none of its links exists", "deploy it, or take the application out of the configuration")
	}
	r := Result{}
	broken := 0
	var fixed error
	for _, i := range a.Instances {
		state, why := i.Judge()
		if state == OK {
			continue
		}
		broken++
		if i.Fixed != nil && fixed == nil {
			fixed = i.Fixed
		}
		r.State = r.State.Or(state)
		r.Details = append(r.Details, fmt.Sprintf("%s: %s: %s", i.Name, i.Link, why))
	}
	r.Figures = []Figure{{Name: "instances", Value: float64(len(a.Instances)), Unit: Count}, {Name: "broken", Value: float64(broken), Unit: Count}}
	if broken == 0 {
		r.Message = ui.Plural(len(a.Instances), "link") + " in order"
		return r
	}
	r.Message = fmt.Sprintf("%d of %s not in order", broken, ui.Plural(len(a.Instances), "link"))
	r.Fix = fmt.Sprintf(`bring a release live on them with "relink deploy --app %[1]s --instance NAME REF" or "relink rollback --app %[1]s --instance NAME"`, a.Name)
	if fixed != nil {
		r.Fix, r.Blocks = strings.Join(hint.Of(fixed), "; "), true
	}
	return r
}

func (a *App) neverDeployed() bool {
	return a.Last == nil && len(a.Instances) > 0 && !slices.ContainsFunc(a.Instances, func(i Instance) bool { return i.Kind != links.Missing })
}

// Judge tells whether the site of a link can work, and why not.
func (i *Instance) Judge() (State, string) {
	switch {
	case i.Err != nil:
		return Critical, oneLine(i.Err.Error())
	case i.Kind == links.Missing:
		return Critical, "there is no link"
	case i.Kind == links.NoParent:
		return Critical, "the folder for the link does not exist"
	case i.Kind == links.Blocked:
		return Warning, "is not a symbolic link, so that no deploy can move it"
	case i.Kind == links.Dangling:
		return Critical, "leads to " + i.Literal + ", which does not exist"
	case i.Docroot != nil:
		return Critical, "its document root cannot be served: " + oneLine(i.Docroot.Error())
	case !i.Inside:
		return Warning, "leads to " + i.Real + ", which is no release"
	case i.Known.Problem != nil:
		return Warning, "release " + i.Release + ": " + oneLine(i.Known.Problem.Error())
	case !i.Known.Sealed:
		return Warning, "release " + i.Release + " was not completed by relink"
	case i.Known.Bad != nil:
		return Warning, "release " + i.Release + " is marked bad: " + oneLine(i.Known.Bad.Reason)
	}
	return OK, ""
}

func checkMixed(f *Facts, a *App, t *Thresholds) Result {
	groups, newest := a.byRelease()
	count := Figure{Name: "releases", Value: float64(len(groups)), Unit: Count}
	if len(groups) < 2 {
		return ok("all instances on one release").with(count)
	}
	began := f.Time
	for _, i := range groups[newest] {
		if i.Changed.Before(began) {
			began = i.Changed
		}
	}
	age := max(0, f.Time.Sub(began))
	message := fmt.Sprintf("%d releases for %s: %d of %s on the newest, %s", len(groups), ui.Duration(age),
		len(groups[newest]), ui.Plural(len(a.Instances), "instance"), newest)
	measured := figure("age", Seconds, age.Seconds(), t.own)
	if past := measured.past(); past != "" {
		message += "; " + past
	}
	return measured.judgeAs(message, fmt.Sprintf(`finish the roll-out with "relink deploy --app %[1]s --all REF", or go back with "relink rollback --app %[1]s"`, a.Name)).with(count)
}

// byRelease groups the instances that are on a release; newest is the one that
// a link was moved to last.
func (a *App) byRelease() (groups map[string][]Instance, newest string) {
	groups = map[string][]Instance{}
	var last time.Time
	for _, i := range a.Instances {
		if i.Kind != links.Good || i.Err != nil {
			continue
		}
		groups[i.Release] = append(groups[i.Release], i)
		if i.Changed.After(last) || i.Changed.Equal(last) && strings.Compare(i.Release, newest) > 0 {
			last, newest = i.Changed, i.Release
		}
	}
	return groups, newest
}

// Changed is when a link of the application was moved last.
func (a *App) Changed() time.Time {
	var last time.Time
	for _, i := range a.Instances {
		if i.Changed.After(last) {
			last = i.Changed
		}
	}
	return last
}
