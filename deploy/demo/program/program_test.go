package program

import (
	"errors"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"relink/internal/hint"
)

func TestReadReport(t *testing.T) {
	failed := `{"exit": 4, "error": {"message": "settle: not settled", "hints": ["run it again"]}}`
	args := []string{"deploy", "v2"}
	report, err := readReport(args, []byte(failed), errors.New("exit status 4"))
	if report.Exit != 4 || err == nil || err.Error() != "relink deploy v2: exit 4: settle: not settled" || !slices.Equal(hint.Of(err), []string{"run it again"}) {
		t.Errorf("%+v: %v %q", report, err, hint.Of(err))
	}
	if _, err := readReport(args, []byte("Segmentation fault"), errors.New("signal: killed")); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("no report: %v", err)
	}
	if report, err := readReport(args, []byte(`{"release": "r"}`), nil); err != nil || report.Release != "r" {
		t.Errorf("%+v: %v", report, err)
	}
}

func TestProgress(t *testing.T) {
	var out strings.Builder
	var steps []string
	p := &progressWriter{to: &out, stepped: func(name string) { steps = append(steps, name) }}
	for _, piece := range []string{"  observe  8 MB   3 ms\n  wa", "rm: 0/301 scripts\n\n", "left"} {
		if n, err := p.Write([]byte(piece)); n != len(piece) || err != nil {
			t.Fatal(n, err)
		}
	}
	if !slices.Equal(steps, []string{"observe", "warm:"}) || out.String() != "  observe  8 MB   3 ms\n  warm: 0/301 scripts\n\n" {
		t.Errorf("%q %q", steps, out.String())
	}
}

// What a command's children write counts.
func TestCost(t *testing.T) {
	const wanted = 1 << 20
	cmd := exec.CommandContext(t.Context(), "sh", "-c", `(head -c 1048576 /dev/zero >"$0")`, filepath.Join(t.TempDir(), "file"))
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if cost := CostOf(cmd.ProcessState); cost.Written != 0 && cost.Written < wanted { // 0: a file system in memory
		t.Errorf("%d bytes are accounted for, want %d", cost.Written, wanted)
	}
	if cost := CostOf(nil); cost != (Cost{}) {
		t.Errorf("%+v of nothing", cost)
	}
}
