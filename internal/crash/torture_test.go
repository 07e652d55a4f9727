//go:build torture

package crash

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// defaultTorture is how long TestTorture runs unless RELINK_TORTURE says otherwise.
const defaultTorture = time.Hour

// TestTorture deploys to all and to one, rolls back, and prunes, under load. Every
// second command is ended by SIGKILL at a moment by lot, in the first, the second and
// the last third of its time in turn, and recover or the next command puts things right.
func TestTorture(t *testing.T) {
	length := defaultTorture
	if text := os.Getenv("RELINK_TORTURE"); text != "" {
		var err error
		if length, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	w := newTownFor(t, length+10*time.Minute, nil)
	w.good("deploy", "v1", "--all")
	w.good("deploy", "v2", "--all")
	w.beginLoad()
	seed := uint64(time.Now().UnixNano())
	lot := rand.New(rand.NewPCG(seed, 0))
	var sum tortured
	usual := map[string]time.Duration{}
	for end := time.Now().Add(length); time.Now().Before(end); {
		args := w.anything(lot)
		kind := args[0] + args[len(args)-1]
		var within time.Duration
		if usual[kind] > 0 && sum.Commands%2 == 1 {
			within = time.Duration((float64(sum.Kills%3) + lot.Float64()) / 3 * float64(usual[kind]))
		}
		began := time.Now()
		killed := w.torture(&sum, within, args)
		if !killed {
			usual[kind] = time.Since(began)
		} else if lot.IntN(2) == 0 {
			w.torture(&sum, 0, []string{"recover"})
		} else {
			w.torture(&sum, 0, []string{"deploy", w.next("club1"), "--all"})
		}
	}
	result := w.load.Stop()
	sum.Requests, sum.FailedRequests = result.Requests, result.Errors
	text, err := json.Marshal(sum)
	w.must(err)
	t.Logf("seed %d: %s %v", seed, text, result.Described)
	if sum.FailedRequests+sum.OldPages+sum.Leftovers+sum.FailedCommands != 0 || sum.Kills == 0 {
		t.Error("none of the failed commands, failed requests, old pages and leftovers may be, and some kills have to be")
	}
}

// tortured is what was done and what went wrong.
type tortured struct {
	Commands, Kills, FailedCommands, Requests, FailedRequests, OldPages, Leftovers int
}

// anything is a command by lot.
func (w *town) anything(lot *rand.Rand) []string {
	switch lot.IntN(8) {
	case 0:
		return []string{"rollback", "--all"}
	case 1:
		return []string{"prune"}
	case 2, 3:
		return []string{"deploy", w.next("club2"), "--instance", "club2"}
	}
	return []string{"deploy", w.next("club1"), "--all"}
}

// torture runs a command, which a SIGKILL ends within that time, if any. One that has
// ended well leaves nothing wrong.
func (w *town) torture(sum *tortured, within time.Duration, args []string) (killed bool) {
	w.t.Helper()
	command := exec.CommandContext(w.ctx, "relink", append([]string{"--config", w.path("relink.yaml"), "--format", "json"}, args...)...)
	var out strings.Builder
	command.Stdout, command.Stderr = &out, &out
	w.must(command.Start())
	if within > 0 {
		timer := time.AfterFunc(within, func() { _ = command.Process.Kill() })
		defer timer.Stop()
	}
	_ = command.Wait()
	sum.Commands++
	switch code := command.ProcessState.ExitCode(); {
	case code == -1 && within > 0:
		sum.Kills++
		return true
	case code == 1 && args[0] == "rollback" && strings.Contains(out.String(), "before, which has been removed"):
		return false // the second rollback in a row goes further back than two releases are kept
	case code != 0:
		sum.FailedCommands++
		w.t.Errorf("relink %q: exit %d: %s", args, code, out.String())
		return false
	}
	for _, site := range sites {
		if err := w.serves(site); err != nil {
			sum.OldPages++
			w.t.Errorf("after %q %s: %v", args, site, err)
		}
	}
	for _, left := range append(w.leftovers(), w.history()...) {
		sum.Leftovers++
		w.t.Errorf("after %q: %s", args, left)
	}
	return false
}
