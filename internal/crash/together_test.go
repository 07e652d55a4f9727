package crash

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"relink/internal/exit"
)

const (
	runs      = 20
	rollbacks = 4 // of them
)

// TestTogether starts 20 deploys and rollbacks at once: each runs alone or is refused
// for the lock; half of them ask again until they have run.
func TestTogether(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.settings("keep: 9")
	for i := range rollbacks + 1 { // which may come first
		w.good("deploy", fmt.Sprintf("v%d", i+1), "--all")
	}
	before := w.historyLines()
	w.beginLoad()
	var all sync.WaitGroup
	var mu sync.Mutex
	ran, refused := 0, 0
	for i := range runs {
		args := []string{"deploy", fmt.Sprintf("v%d", i%refs+1), "--all"}
		if i%(runs/rollbacks) == 0 {
			args = []string{"rollback", "--all"}
		}
		all.Go(func() {
			for again := true; again; {
				done := w.relink(args...)
				mu.Lock()
				switch done.code {
				case 0:
					ran++
				case exit.Locked:
					refused++
				default:
					t.Errorf("relink %q: exit %d: %s%s", args, done.code, done.stderr, done.out)
				}
				mu.Unlock()
				again = done.code == exit.Locked && i%2 == 0
			}
		})
	}
	all.Wait()
	result := w.endLoad()
	for _, fault := range w.wrong() {
		t.Error(fault)
	}
	if w.on("club1") != w.on("club2") || w.on("club1") != w.on("club3") {
		t.Errorf("the sites are on %s, %s and %s", w.on("club1"), w.on("club2"), w.on("club3"))
	}
	if lines := w.historyLines() - before; lines != ran || ran < 10 {
		t.Errorf("%d ran, and the history has %d more lines", ran, lines)
	}
	t.Logf("%d at once: %d ran, %d times one was refused, %d requests", runs, ran, refused, result.Requests)
}

func (w *town) historyLines() int {
	w.t.Helper()
	text, err := os.ReadFile(w.path("state/club.history.jsonl"))
	w.must(err)
	return strings.Count(string(text), "\n")
}
