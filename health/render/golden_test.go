package render_test

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"relink/deploy/fleet"
	"relink/deploy/journal"
	"relink/health"
	"relink/health/render"
	"relink/internal/hint"
	"relink/internal/links"
	"relink/internal/schematest"
	"relink/internal/ui"
	"relink/opcache/report"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files")

// troubled has a pool that is down, a full cache, links out of order, and a fleet in the
// middle of a rollout.
func troubled() health.Facts {
	f := facts()
	f.Masters[0].CacheFull, f.Masters[0].Memory.UsedRatio = true, 0.9
	down := errors.New("call unix:/run/php/shop's | new.sock: nothing listens: connection refused")
	f.Pools = append(f.Pools, health.Pool{Address: "unix:/run/php/shop's | new.sock", Err: hint.With(down, "start it")})
	f.Masters = append(f.Masters, health.Master{MasterReport: report.MasterReport{Name: "unix:/run/php/shop's | new.sock"}, Err: down})
	a := &f.Apps[0]
	a.Instances[1].Kind, a.Instances[1].Literal = links.Dangling, "/srv/releases/gone"
	a.Last = &journal.Event{Operation: journal.OperationDeploy, Release: "v2", Time: time.Date(2026, 11, 23, 11, 0, 0, 0, time.Local), Undone: "check of club1: status 500\nwant 200"}
	host := func(name string, state fleet.Condition, stage fleet.Stage) fleet.Standing {
		return fleet.Standing{Name: name, State: state, There: state != fleet.Away, Ready: state == fleet.Moving, Why: string(state), Stage: stage}
	}
	f.Fleet = &health.Fleet{Host: "web1", Time: f.Time, Steward: "web1", Apps: []fleet.Overview{{
		App: "booking", Rollout: &fleet.Rollout{ID: "1", Phase: fleet.Switching, Started: f.Time.Add(-time.Minute)},
		Hosts: []fleet.Standing{host("web1", fleet.Moving, fleet.Switched), host("web2", fleet.Behind, ""), host("web3", fleet.Away, fleet.Ready)},
	}}}
	return f
}

func TestGolden(t *testing.T) {
	sets := map[string]health.Facts{"sound": facts(), "troubled": troubled()}
	for name, f := range sets {
		results := health.Evaluate(f, limits(t))
		for format, write := range map[string]func(*bytes.Buffer) error{
			"text":       func(b *bytes.Buffer) error { return write(b, render.Text(results, f.Took, false, textWidth)) },
			"nagios":     func(b *bytes.Buffer) error { return write(b, render.Nagios(results)) },
			"json":       func(b *bytes.Buffer) error { return ui.JSON(b, render.NewDocument(results, f.Time, f.Took)) },
			"prometheus": func(b *bytes.Buffer) error { return render.Prometheus(b, f, results) },
		} {
			var out bytes.Buffer
			if err := write(&out); err != nil {
				t.Fatal(err)
			}
			golden(t, name+"."+format, out.Bytes())
			if format == "json" {
				if err := schematest.Check("health", out.Bytes()); err != nil {
					t.Error(err)
				}
			}
		}
	}
	golden(t, "explain.text", []byte(render.Explain(health.All(), textWidth)))
}

func write(b *bytes.Buffer, text string) error {
	_, err := b.WriteString(text)
	return err
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s: -want +got\n%s", name, diff)
	}
}

func TestTextFitsTheScreen(t *testing.T) {
	f := troubled()
	for line := range strings.Lines(render.Text(health.Evaluate(f, limits(t)), f.Took, false, textWidth)) {
		if len([]rune(strings.TrimSuffix(line, "\n"))) > textWidth || strings.HasSuffix(line, " \n") {
			t.Errorf("%q", line)
		}
	}
}

func TestTextInColours(t *testing.T) {
	if text := render.Text(health.Evaluate(troubled(), limits(t)), 0, true, textWidth); !strings.Contains(text, "\x1b[31mCRITICAL\x1b[0m") || !strings.Contains(text, "\x1b[33mWARNING\x1b[0m") {
		t.Errorf("%q", text)
	}
}
