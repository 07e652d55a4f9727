// Package e2e tests the whole: the program itself, on real servers.
package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// killPoint is the environment variable that tells relink-killed where to die.
const killPoint = "RELINK_KILL_AT"

// The programs that TestMain builds, and has PATH lead to.
const (
	delivered = "relink"        // as it is delivered
	killed    = "relink-killed" // ends by SIGKILL at the point that RELINK_KILL_AT names, as a crash would
	raced     = "relink-raced"  // with the race detector, which makes it start four times as slowly
)

// noSymbols makes linking take half as long.
const noSymbols = "-ldflags=-s -w"

// racedVariable is the environment variable that names a folder in which relink is
// relink-raced.
const racedVariable = "RELINK_RACED"

// raceOptions is the environment variable of the race detector's options.
const raceOptions = "GORACE"

func TestMain(m *testing.M) { os.Exit(withPrograms(m.Run)) }

func withPrograms(run func() int) int {
	dir, err := os.MkdirTemp("", "relink-bin")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if err := errors.Join(
		os.Chmod(dir, 0o755), // nobody runs it, too
		buildProgram(filepath.Join(dir, delivered)),
		buildProgram(filepath.Join(dir, killed), "-tags", "failpoint", noSymbols),
		buildProgram(filepath.Join(dir, raced), "-race", noSymbols),
		os.Mkdir(filepath.Join(dir, "raced"), 0o755),
		os.Symlink(filepath.Join(dir, raced), filepath.Join(dir, "raced", delivered)),
		os.Setenv(raceOptions, "halt_on_error=1 atexit_sleep_ms=50"), // with no answer at all, whichever a test expects; else each ends a second later
		os.Setenv(racedVariable, filepath.Join(dir, "raced")),
		os.Setenv("PATH", dir+":"+os.Getenv("PATH")),
	); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return run()
}

func buildProgram(to string, options ...string) error {
	args := append(append([]string{"build", "-o", to}, options...), "relink")
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("go %q: %w\n%s", args, err, out)
	}
	return nil
}

func TestScripts(t *testing.T) { runScripts(t, "testdata/deploy") }

func TestOPcacheScripts(t *testing.T) { runScripts(t, "testdata/opcache") }

func TestHealthScripts(t *testing.T) { runScripts(t, "testdata/health") }

func runScripts(t *testing.T, dir string) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 dir,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               setup,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"raced":   useRaced,
			"server":  startServer,
			"modphp":  startModPHP,
			"pool":    controlPool,
			"page":    wantPage,
			"at":      wantAt,
			"exits":   wantExit,
			"tree":    writeTree,
			"await":   awaitFile,
			"screen":  wantScreen,
			"onehint": wantOneHint,
			"farm":    startFarm,
			"master":  controlMaster,
			"lead":    leadLinks,
			"says":    wantPath,
			"pids":    writePIDs,
			"nobody":  asNobody,
		},
	})
}
