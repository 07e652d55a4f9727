package fleet

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"relink/internal/exit"
	"relink/internal/hint"
	"relink/internal/ui"
)

// same tells whether two targets are one release.
func (t Target) same(other Target) bool {
	return t.Is(AppOn{Commit: other.Commit, Digest: other.Digest})
}

// Earlier is what these hosts go back to: the last release that a rollout brought to them and
// that is another one than what they are to be on now; past is the history, newest first. Where
// that is not one release for all, nothing is: after a canary, a host and the others were on
// other releases before.
func (s State) Earlier(hosts []string, past []Rollout) (Target, error) {
	var found Target
	hostsTo, says := map[string][]string{}, map[string]string{} // by the content that they would go back to
	for _, host := range hosts {
		to, text := s.earlierOf(host, past), "to nothing that was rolled out"
		if to != (Target{}) {
			found, text = to, fmt.Sprintf("to %s (%.12s)", to.Ref, to.Digest)
		}
		content := cmp.Or(to.Digest, to.Commit)
		hostsTo[content], says[content] = append(hostsTo[content], host), text
	}
	switch {
	case found == (Target{}):
		return found, hint.With(exit.Usagef("no earlier rollout to go back to"), "see relink fleet history; relink fleet deploy REF brings any ref")
	case len(hostsTo) > 1:
		var each []string
		for _, content := range slices.Sorted(maps.Keys(hostsTo)) {
			each = append(each, ui.FirstFew(hostsTo[content])+" "+says[content])
		}
		return Target{}, hint.With(exit.Usagef("the hosts would not go back to one release: %s", ui.First(5, each)),
			"name those that are to go back by --hosts, or the rollout whose release all are to be on by --to (relink fleet history)")
	}
	return found, nil
}

func (s State) earlierOf(host string, past []Rollout) Target {
	now := s.WantedOf(host)
	for _, r := range past {
		if r.Phase == Done && (r.All || slices.Contains(r.Hosts, host)) && !r.Target.same(now) {
			return r.Target
		}
	}
	return Target{}
}
