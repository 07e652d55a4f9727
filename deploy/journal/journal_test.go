package journal

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"relink/deploy/moves"
	"relink/internal/damagetest"
	"relink/internal/hint"

	"github.com/google/go-cmp/cmp"
)

func exampleMoves() moves.Plan {
	return moves.Plan{{
		Instance: "club1", Link: "/www/club1", Place: "/data/www/club1", UID: 33, GID: 33,
		From: moves.Target{Release: "v1", Literal: "/rel/v1", Real: "/data/rel/v1"},
		To:   moves.Target{Release: "v2", Literal: "/rel/v2", Real: "/data/rel/v2"},
	}}
}

func TestJournalIsReadAsWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.journal.json")
	if journal, err := Read(path); journal != nil || err != nil {
		t.Fatalf("without a journal: %v, %v", journal, err)
	}
	want := Journal{
		App: "app", Operation: OperationDeploy, Phase: PhaseSwitching, ID: "x", Release: "v2", Made: true,
		Moves: exampleMoves(), Reset: ResetSmart, Started: time.Unix(1e9, 0).UTC(),
	}
	if err := Write(path, want); err != nil {
		t.Fatal(err)
	}
	got, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&want, got); diff != "" {
		t.Error(diff)
	}
	if err := Remove(path); err != nil {
		t.Fatal(err)
	}
	if journal, err := Read(path); journal != nil || err != nil {
		t.Errorf("after its end: %v, %v", journal, err)
	}
}

func TestJournalOfANewerVersion(t *testing.T) {
	journal, err := parse([]byte(`{"phase": "staged", "release": "v2", "colour": {"of": "moon"}}`))
	if err != nil || journal.Release != "v2" {
		t.Errorf("a field more is %v", err)
	}
}

func TestJournalThatMakesNoSenseIsAnError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.journal.json")
	for name, text := range map[string]string{
		"empty":             "",
		"cut short":         `{"phase": "switching", "moves": [`,
		"no phase":          `{"release": "v2"}`,
		"unknown phase":     `{"phase": "dancing"}`,
		"switching nothing": `{"phase": "switching"}`,
		"a move of nothing": `{"phase": "moved", "moves": [{"instance": "club1"}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Read(path)
			if !errors.Is(err, ErrJournal) || !strings.Contains(err.Error(), path) || len(hint.Of(err)) == 0 {
				t.Errorf("got %v with hints %q", err, hint.Of(err))
			}
		})
	}
}

// Whatever a file holds: it is either refused or says what to do.
func FuzzParseJournal(f *testing.F) {
	f.Add([]byte(`{"phase": "moved", "moves": [{"place": "/www/a", "to": {"literal": "/rel/v1", "real": "/rel/v1"}}]}`))
	f.Add([]byte(`{"phase": "staging", "made": true}`))
	f.Add([]byte(`[]`))
	for text := range damagetest.Of([]byte(`{"phase": "switching", "id": "1", "release": "v1", "moves": [{"place": "/www/a", "to": {"literal": "/rel/v1", "real": "/rel/v1"}}], "reset": "auto"}`)) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		journal, err := parse(text)
		if err != nil {
			return
		}
		if journal.Phase.Direction() == "" {
			t.Errorf("phase %q was taken", journal.Phase)
		}
		for _, move := range journal.Moves {
			if move.Place == "" {
				t.Error("a move without a place was taken")
			}
		}
	})
}
