package health

import (
	"fmt"
	"slices"
	"strings"
)

// Problems lists what is not OK, the most urgent first. Results that say the
// same of the same thing are one line: a pool that is down leaves twenty checks
// unknown.
func Problems(results []Result) []Result {
	var urgent []Result
	for _, r := range results {
		if r.State == OK {
			continue
		}
		same := slices.IndexFunc(urgent, func(o Result) bool {
			return r.State == o.State && r.Subject == o.Subject && r.Message == o.Message && r.Fix == o.Fix
		})
		if same >= 0 {
			urgent[same].Check += ", " + r.Check
			continue
		}
		urgent = append(urgent, r)
	}
	slices.SortStableFunc(urgent, func(a, b Result) int { return b.State.rank() - a.State.rank() })
	return urgent
}

// Counted is how many results there are in each state: "1 critical, 2 warnings,
// 31 ok".
func Counted(results []Result) string {
	var n [len(stateNames)]int
	for _, r := range results {
		n[r.State]++
	}
	var parts []string
	for _, s := range []State{Critical, Warning, Unknown} {
		if n[s] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n[s], strings.ToLower(s.String())))
		}
	}
	return strings.Join(append(parts, fmt.Sprintf("%d ok", n[OK])), ", ")
}
