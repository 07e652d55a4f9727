// Package compare measures what each way to deploy costs visitors: private servers side by
// side, one application, the ways in turn, each deploy beside a window of the same length
// without one.
package compare

import (
	"context"
	"os"
	"syscall"

	"relink/deploy/demo/program"
	"relink/deploy/outcome"
	"relink/internal/sandbox"
)

// Way is a way to deploy.
type Way struct {
	Name  string // in results
	Title string // in tables
	on    server
	run   func(ctx context.Context, s *scene, tag string) (ran, error) // nil: nothing is deployed

	// lingers: some workers go on with the old release, so that the servers are reloaded
	// before the next way is measured.
	lingers bool
}

// ran is what a way has done.
type ran struct {
	program.Cost
	report *outcome.Report // of relink
}

// server is what ways run on. Ways on the same one take turns on it.
type server struct {
	name       string
	web        sandbox.Web
	resolved   bool // Apache sends real paths, by relink's map
	revalidate bool // opcache.revalidate_path=1
	control    string
}

const (
	cutsOff = "0"   // process_control_timeout: a reload cuts off what runs, FPM's default
	letsEnd = "10s" // a reload lets it end, for so long
)

var (
	byHand     = server{name: "by hand", control: cutsOff}
	byHandWait = server{name: "by hand, waiting", control: letsEnd}
	byHandMod  = server{name: "by hand, mod_php", web: sandbox.WebApachePrefork}
)

// Without deploys nothing: how far two windows without a deploy are apart tells what a
// difference means on this machine.
var Without = Way{Name: "none", Title: "no deploy", on: byHand}

// ByHand are the ways of other tools: unpack the release beside the others, move the
// links, and have PHP notice it in some way.
var ByHand = []Way{
	{Name: "reload-0", Title: "links, FPM reload (0 s)", on: byHand, run: reload},
	{Name: "reload-10", Title: "links, FPM reload (10 s)", on: byHandWait, run: reload},
	{Name: "reset", Title: "links, opcache_reset()", on: byHand, run: call("reset.php"), lingers: true},
	{Name: "invalidate", Title: "links, invalidate in one worker", on: byHand, run: call("invalidate.php"), lingers: true},
	{Name: "graceful", Title: "mod_php: links, Apache graceful", on: byHandMod, run: graceful},
}

// Relink are relink's own, by set-up.
var Relink = []Way{
	{Name: "resolved", Title: "relink, resolved", on: server{name: "resolved", resolved: true, control: letsEnd}, run: byRelink},
	{Name: "revalidated", Title: "relink, revalidated", on: server{name: "revalidated", revalidate: true, control: letsEnd}, run: byRelink},
	{Name: "keyed", Title: "relink, keyed", on: server{name: "keyed", control: letsEnd}, run: byRelink},
	{Name: "mod_php", Title: "mod_php: relink, keyed", on: server{name: "mod_php", web: sandbox.WebApachePrefork}, run: byRelink},
	{Name: "mod_php-revalidated", Title: "mod_php: relink, revalidated", on: server{name: "mod_php, revalidated", web: sandbox.WebApachePrefork, revalidate: true}, run: byRelink},
}

func byRelink(ctx context.Context, s *scene, tag string) (ran, error) {
	line := []string{"deploy", tag, "--all"}
	if s.rehearsing { // nobody looks, and there is nobody to consider
		line = append(line, "--fast")
	}
	report, cost, err := s.relink.Run(ctx, line, nil)
	return ran{cost, &report}, err
}

// reload is what "systemctl reload php-fpm" does: it does not wait either.
func reload(ctx context.Context, s *scene, tag string) (ran, error) {
	return s.byHand(ctx, tag, func() error { return signal(s.server.Pool("").MasterPID, syscall.SIGUSR2) })
}

// graceful is "apachectl graceful".
func graceful(ctx context.Context, s *scene, tag string) (ran, error) {
	return s.byHand(ctx, tag, func() error { return signal(s.server.WebPID(), syscall.SIGUSR1) })
}

// call has one worker do something with the cache, all workers' one, as CacheTool and
// scripts of one's own do.
func call(script string) func(context.Context, *scene, string) (ran, error) {
	return func(ctx context.Context, s *scene, tag string) (ran, error) {
		return s.byHand(ctx, tag, func() error { return s.tool(ctx, script, nil) })
	}
}

func signal(pid int, what os.Signal) error {
	of, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	return of.Signal(what)
}
