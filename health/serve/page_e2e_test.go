package serve

import (
	"bytes"
	"io"
	"testing"

	"relink/deploy/command"
	"relink/internal/browsertest"
	"relink/internal/cli"
	"relink/internal/config"
)

// relink runs one of the deploy commands as the program composes it.
func (s *scene) relink(args ...string) {
	s.t.Helper()
	var out bytes.Buffer
	env := &cli.Env{Out: &out, Stderr: io.Discard}
	load := func() (*config.Config, error) { return config.Load(s.file) }
	if err := env.Run(s.ctx, append([]string{"relink"}, args...), command.Commands(env, load)...); err != nil {
		s.t.Fatalf("%v: %v\n%s", args, err, out.String())
	}
}

// Deploys run while the page is open, and it shows them without being loaded again.
func TestThePageShowsADeploy(t *testing.T) {
	s := newScene(t)
	s.deploy("r1")
	s.deploy("r2")
	r := start(t, s.options()).looked()
	b := browsertest.Open(t, r.base+"/", browsertest.Setup{})
	const (
		title     = `document.querySelector('#apps article h3').textContent.trim()`
		spread    = `[...document.querySelectorAll('#apps summary')].map(e => e.querySelector('.release').textContent.split('-').pop() + ' ' + e.querySelector('strong').textContent).join(', ')`
		last      = `document.querySelector('#deploys article h3').textContent.trim().split(' of ')[0]`
		lastSteps = `[...document.querySelectorAll('#deploys article:first-of-type tbody tr.cutover th')].map(e => e.firstChild.textContent.trim()).join()`
	)
	b.Until(`document.getElementById('live').className`, "on")
	b.Until(title, "booking 2 instances")
	b.Until(spread, "r2 2 of 2")

	s.relink("rollback", "--instance", "club1")
	b.Until(title, "booking 2 instances on 2 releases")
	b.Until(spread, "r2 1 of 2, r1 1 of 2") // who goes back and who stays: both get a new path
	b.Until(last, "live booking rollback")

	s.deploy("r3")
	b.Until(spread, "r3 2 of 2")
	b.Until(title, "booking 2 instances")
	b.Until(last, "live booking deploy")
	b.Until(lastSteps, "switch,sweep,renew,invalidate")
	b.Until(`String(charts.points() > 0)`, "true")
	b.Screenshot("deploy")
	b.WantQuiet()
}
