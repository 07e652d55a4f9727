package page

import (
	"fmt"
	"slices"
	"strings"

	"relink/health"
)

type checksView struct {
	Open  []openCheck
	Fine  []health.Result
	Total int
	Say   string
}

// openCheck is what one or more checks say of a subject.
type openCheck struct {
	ID string
	health.Result
}

func checksRegion(s Snapshot) region {
	v := checksView{Total: len(s.Checks), Say: health.Worst(s.Checks).String() + ": " + countStates(s.Checks)}
	v.Fine = slices.DeleteFunc(slices.Clone(s.Checks), func(r health.Result) bool { return r.State != health.OK })
	twins := map[string]int{}
	for _, r := range health.Problems(s.Checks) {
		id := idOf("check", r.Check, r.Subject)
		v.Open = append(v.Open, openCheck{fmt.Sprintf("%s-%d", id, twins[id]), r})
		twins[id]++
	}
	return region{id: "checks", view: v}
}

// stateTag is the class of a state's colour.
func stateTag(s health.State) string { return "state-" + strings.ToLower(s.String()) }
