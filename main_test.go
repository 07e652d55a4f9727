package main

import (
	"os"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// killPoint is the environment variable that tells relink-killed where to die.
const killPoint = "KILL_AT"

// TestMain makes the program itself a command of the scripts, and relink-killed
// one that ends by SIGKILL at the point that KILL_AT names, as a crash would.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"relink": main,
		"relink-killed": func() {
			p := &program{out: os.Stdout, err: os.Stderr, reached: func(point string) {
				if point == os.Getenv(killPoint) {
					_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
					select {}
				}
			}}
			os.Exit(p.run(os.Args))
		},
	})
}

func TestScripts(t *testing.T) { runScripts(t, "deploy/testdata/script") }

func TestOPcacheScripts(t *testing.T) { runScripts(t, "opcache/testdata/script") }

func TestHealthScripts(t *testing.T) { runScripts(t, "health/testdata/script") }

func runScripts(t *testing.T, dir string) {
	testscript.Run(t, testscript.Params{
		Dir:                 dir,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               setup,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"server": startServer,
			"modphp": startModPHP,
			"pool":   controlPool,
			"page":   wantPage,
			"at":     wantAt,
			"exits":  wantExit,
			"tree":   writeTree,
			"await":  awaitFile,
			"farm":   startFarm,
			"master": controlMaster,
			"lead":   leadLinks,
			"says":   wantPath,
			"pids":   writePIDs,
			"nobody": asNobody,
		},
	})
}
