package compare

import (
	"context"
	"fmt"
	"io"
	"slices"
)

// Short is the comparison in some two minutes, of a few ways under load.
type Short struct {
	Relink     string // which of its ways
	Sites      int
	Executable string
	Out        io.Writer
	Say        func(format string, a ...any) // progress
}

const shortRounds = 3

// others are the ways that relink's is compared with: those that run on this machine
// wherever PHP-FPM does.
var others = []string{"none", "reload-0", "reload-10", "reset"}

// ways are those of the short form.
func (o Short) ways() []Way {
	return slices.DeleteFunc(Ways(), func(w Way) bool { return !slices.Contains(others, w.Name) && w.Name != o.Relink })
}

const beforehand = `relink demo --compare: what a deploy costs visitors, by each way, on private
servers side by side. It takes some two minutes. Ctrl-C ends it and removes all.

%d sites share an application of 301 files, of which a deploy changes 7. %d clients
load all sites without a pause, and %.0f visitors a second come besides. Each way
deploys %d times in turn, each time beside as long a time without a deploy.

`

const afterwards = `
FAILED    requests that failed, in all %d deploys
OLD       pages of the old release that were asked for after the command's end
WORST     the longest wait of a visitor, to that without a deploy
SERVED    requests served, to those without a deploy
COMPILED  scripts that PHP had to compile: visitors wait for those that relink
          has not compiled before
0 s, 10 s PHP-FPM's process_control_timeout
`

// Run measures and tells. broken says what of relink's promises did not hold.
func (o Short) Run(ctx context.Context) (broken []string, err error) {
	subject := Generated
	subject.Sites = o.Sites
	fmt.Fprintf(o.Out, beforehand, o.Sites, subject.Clients, subject.Rate, shortRounds)
	pairs, err := Run(ctx, Comparison{
		Plans:  []Plan{{Subject: subject, Ways: o.ways(), Situations: []Situation{Loaded}}},
		Rounds: shortRounds, Executable: o.Executable, Say: o.Say, Told: Pair.brief,
	})
	if err != nil {
		return nil, err
	}
	fmt.Fprint(o.Out, pairs.Summary(subject, Loaded))
	fmt.Fprintf(o.Out, afterwards, shortRounds)
	return promised(pairs.By(subject.Name, Loaded.Name, o.Relink)), nil
}

// promised tells which deploys of relink's have failed a request or left an old page.
func promised(pairs Pairs) (broken []string) {
	for _, p := range pairs {
		if p.Failures() > 0 || p.Old > 0 {
			broken = append(broken, fmt.Sprintf("- deploy %d by relink: %d requests failed, %d old pages%s", p.Round, p.Failures(), p.Old, p.why()))
		}
	}
	return broken
}
