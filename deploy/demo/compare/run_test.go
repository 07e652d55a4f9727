package compare

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"relink/internal/sandbox/app"
)

// executable is relink as it is delivered.
var executable string

func TestMain(m *testing.M) { os.Exit(buildAndRun(m)) }

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "relink-compare-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	executable = filepath.Join(dir, "relink")
	if out, err := exec.Command("go", "build", "-o", executable, "relink").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build relink: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// small is a subject that leaves the machine to other tests.
var small = Subject{
	Name: "small", Sites: 2, Clients: 1, Pause: 20 * time.Millisecond, Rate: 20, Memory: 64, Visit: 200 * time.Millisecond, Tail: time.Second,
	Make: func(ctx context.Context, dir string) (*app.Line, error) { return app.Generated(ctx, dir, 20) },
}

// Every way deploys, is seen by the visitors, and leaves them on the new release.
func TestEveryWay(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	pairs, err := Run(ctx, Comparison{
		Plans:  []Plan{{Subject: small, Ways: Ways(), Situations: []Situation{Loaded}, Longest: time.Second}},
		Rounds: 1, Executable: executable, Say: t.Logf,
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(pairs) != len(Ways()) {
		t.Fatalf("%d pairs of %d ways", len(pairs), len(Ways()))
	}
	for _, p := range pairs {
		if p.During.Answered == 0 || p.Calm.Answered == 0 || p.During.WorstMS <= 0 || len(p.Series) == 0 {
			t.Errorf("%s: nothing was seen: %+v", p.Way, p)
		}
		if nothing := p.Way == Without.Name; nothing != (p.FilesWritten == 0) || nothing != (p.Misses == 0) {
			t.Errorf("%s: %d files written, %d scripts compiled", p.Way, p.FilesWritten, p.Misses)
		}
	}
	for _, way := range Relink {
		if broken := promised(pairs.By(small.Name, Loaded.Name, way.Name)); len(broken) > 0 {
			t.Errorf("%s: %s", way.Name, broken)
		}
	}
}

// The summary fits a terminal, and has a row for each way that was measured.
func TestSummary(t *testing.T) {
	seen := Seen{LengthMS: 1234, PerSecond: 1000, WorstMS: 120, Answered: 12345}
	var pairs Pairs
	for _, way := range Ways() {
		pairs = append(pairs, Pair{Subject: "small", Situation: "load", Way: way.Name, During: seen, Calm: seen, Command: seen, Misses: 1122, Written: 214 << 20, Old: 12345})
	}
	text := pairs.Summary(small, Loaded)
	for line := range strings.Lines(text) {
		if len(strings.TrimSuffix(line, "\n")) > terminal {
			t.Errorf("%d columns: %s", len(line), line)
		}
	}
	if rows := strings.Count(text, "\n"); rows < len(Ways())+2 {
		t.Errorf("%d lines:\n%s", rows, text)
	}
}

// Traffic of whole minutes is compared window by window, each as long as the other.
func TestExpected(t *testing.T) {
	s := &scene{subject: Subject{Tail: time.Second}, last: map[string]time.Duration{"resolved": 4 * time.Second, "resolvedload": 8 * time.Second}}
	way := Way{Name: "resolved"}
	for _, one := range []struct {
		at            Situation
		longest, want time.Duration
	}{{Loaded, 0, 9 * time.Second}, {Idle, 0, 4500 * time.Millisecond}, {SlowLoad, 0, 6750 * time.Millisecond}, {SlowLoad, 3 * time.Second, 3 * time.Second}} {
		if got := s.expected(way, one.at, one.longest); got != one.want {
			t.Errorf("%s, at most %s: %s, want %s", one.at.Name, one.longest, got, one.want)
		}
	}
}
