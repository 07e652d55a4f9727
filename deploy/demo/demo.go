// Package demo is "relink demo": the story of four deploys on a private server,
// under load, with what was measured, and an error if a promise did not hold.
package demo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"relink/internal/exit"
	"relink/internal/hint"
	"relink/internal/ui"
)

// Options of a demo.
type Options struct {
	SetUp      SetUp
	Instances  int    // sites, at least 2
	Dir        string // for everything; new or empty, and removed at the end; "" is a temporary one
	Keep       bool   // leave servers and folder when the story is told
	Cache      string // where DokuWiki is kept for the next demo; "" keeps it nowhere
	Executable string // relink itself

	Alone time.Duration // how long the load runs alone, to compare with; 0 is 5 s
	Watch time.Duration // how long each command's effects are watched after it; 0 is 2 s

	Out    io.Writer  // the story
	Screen *ui.Output // progress
}

// ErrPromise: the story was told, and something that relink promises did not hold.
var ErrPromise = errors.New("a promise did not hold in this run")

// Run tells the story. When it returns, no process is left and the folder is
// gone, unless Options.Keep is set and the story came to its end.
func Run(ctx context.Context, o Options) error {
	o.Alone, o.Watch = cmp.Or(o.Alone, 5*time.Second), cmp.Or(o.Watch, 2*time.Second)
	tell := teller{out: o.Out, setUp: o.SetUp}
	tell.opening(o.Instances)
	s, err := setScene(ctx, o)
	if err != nil {
		return s.leave(ctx, err)
	}
	tell.ready(s)
	acts, err := play(ctx, s, tell)
	if err != nil {
		return s.leave(ctx, err)
	}
	tell.summary(acts)
	if o.Keep {
		tell.kept(s, o.Executable)
		return errors.Join(promise(acts, o.SetUp, ""), s.lock.Close())
	}
	return s.leave(ctx, promise(acts, o.SetUp, "look at the servers and their logs after it with --keep"))
}

// promise is the error of what did not hold.
func promise(acts []act, setUp SetUp, advice string) error {
	broken := brokenBy(acts, setUp)
	if len(broken) == 0 {
		return nil
	}
	err := fmt.Errorf("%w\n%s", ErrPromise, strings.Join(broken, "\n"))
	if advice == "" {
		return err
	}
	return hint.With(err, "%s", advice)
}

// interrupted says so in place of what the end of ctx made fail.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return fmt.Errorf("demo: %w: its servers are stopped and its folder is removed", exit.ErrInterrupted)
}
