package command

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"relink/deploy/command"
	"relink/health"
	"relink/health/gather"
	"relink/internal/cli"
	"relink/internal/config"
)

// Deploys to all and to one instance, and rollbacks, under load: at no moment
// does a check of links, of stale code, of releases or of deploys see a fault.
func TestDeploysAreNoFault(t *testing.T) {
	s := newScene(t)
	file := s.configuration("")
	for i := range 3 {
		s.source(fmt.Sprintf("d%d", i))
		s.relink(file, "deploy", "--all", fmt.Sprintf("d%d", i))
	}
	ctx, cancel := context.WithCancel(s.ctx)
	var visitors sync.WaitGroup
	for _, name := range []string{"club1", "club2"} {
		visitors.Go(func() {
			for ctx.Err() == nil {
				for _, page := range []string{"index.php", "page.php"} {
					if _, err := s.request(ctx, "www", s.path("www", name, page), ""); err != nil && ctx.Err() == nil {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	watched := make(chan int)
	go func() {
		n := 0
		for ; ctx.Err() == nil; n++ {
			f := gather.Facts(context.Background(), s.deps)
			for _, r := range health.Evaluate(f, s.limits) {
				if r.State != health.OK && r.Check != "pool" { // the machine may be slow
					t.Errorf("%s %s: %s %v", r.State, r.Check, r.Message, r.Details)
				}
			}
		}
		watched <- n
	}()
	for i := 3; i < 9; i++ {
		ref := fmt.Sprintf("d%d", i)
		s.source(ref)
		s.relink(file, "deploy", "--instance", "club2", ref)
		s.relink(file, "rollback", "--instance", "club2")
		s.relink(file, "deploy", "--all", ref)
	}
	cancel()
	visitors.Wait()
	if n := <-watched; n < 3 {
		t.Errorf("looked only %d times", n)
	}
	s.limits.Settle = -1
	s.quiet(s.evaluate(), "pool")
}

// source is the folder that the configuration deploys a ref from.
func (s *scene) source(ref string) {
	s.t.Helper()
	dir := s.path("source", ref)
	s.must(os.MkdirAll(dir, 0o755))
	for _, page := range []string{"index.php", "page.php"} {
		s.must(os.WriteFile(filepath.Join(dir, page), []byte("<?php echo '"+ref+"';"), 0o644))
	}
}

// relink runs a command of deploy as the program composes it.
func (s *scene) relink(file string, args ...string) {
	s.t.Helper()
	var out bytes.Buffer
	env := &cli.Env{Out: &out, Stderr: io.Discard}
	load := func() (*config.Config, error) { return config.Load(file) }
	if err := env.Run(s.ctx, append([]string{"relink"}, args...), command.Commands(env, load)...); err != nil {
		s.t.Fatalf("%v: %v\n%s", args, err, out.String())
	}
}
