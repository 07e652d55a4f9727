package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"relink/deploy/apps"
	"relink/deploy/source"
	"relink/deploy/source/registry"
	"relink/health"
	"relink/internal/config"
	"relink/internal/hint"
	"relink/internal/links"
	"relink/internal/trust"

	"golang.org/x/sys/unix"
)

// What a deploy needs beside what health looks at, by the names of its checks.
const (
	rights     = "rights"
	sourceName = "source"
)

// sourceTime bounds how long a repository may take to answer.
const sourceTime = 10 * time.Second

// Needs tells what a deploy, by whoever calls, would miss: the right to write where it has
// to, and its source. Each source has 10 s to answer, and 16 MiB for that.
func Needs(ctx context.Context, c *config.Config) []health.Result {
	var all []health.Result
	for _, a := range c.Apps {
		all = append(all, result(rights, a.Name, "releases, state and links can be written", mayWrite(c, a)),
			result(sourceName, a.Name, "answers", reachable(ctx, a)))
	}
	return all
}

func result(check, subject, well string, err error) health.Result {
	r := health.Result{Subject: subject, Message: well}
	if err != nil {
		r = health.NotMade(subject, err)
		r.State, r.Blocks = health.Critical, true
	}
	r.Check = check
	return r
}

// mayWrite tells the first folder that the caller may not write in, or that somebody else
// could lead elsewhere.
func mayWrite(c *config.Config, a config.App) error {
	for _, folder := range []string{c.StateDir, a.Releases} {
		if err := writable(folder); err != nil {
			return err
		}
	}
	asked := map[string]bool{}
	for _, state := range apps.ReadLinks(a.Instances) {
		folder := filepath.Dir(state.Path)
		if asked[folder] || state.Kind == links.Blocked || state.Kind == links.NoParent || state.Kind == links.Unreadable {
			continue // the check of the links tells that
		}
		asked[folder] = true
		if err := cmp.Or(state.Usable(), trust.CheckWayForRoot(folder)); err != nil {
			return err
		}
	}
	return nil
}

// writable asks of a folder that does not exist yet the one that it would be made in.
func writable(folder string) error {
	there := folder
	for there != filepath.Dir(there) {
		if _, err := os.Stat(there); !errors.Is(err, fs.ErrNotExist) {
			break
		}
		there = filepath.Dir(there)
	}
	err := unix.Faccessat(unix.AT_FDCWD, there, unix.W_OK|unix.X_OK, unix.AT_EACCESS)
	if err == nil {
		return trust.CheckForRoot(there)
	}
	return hint.Write(fmt.Errorf("cannot write in %s: %w", there, err), there)
}

func reachable(ctx context.Context, a config.App) error {
	ctx, cancel := context.WithTimeoutCause(ctx, sourceTime, fmt.Errorf("no answer within %s", sourceTime))
	defer cancel()
	one, err := registry.Open(registry.Spec{Kind: a.Source.Kind, Location: a.Source.Location})
	if err != nil {
		return err
	}
	if asked, can := one.(source.Reacher); can {
		return asked.Reach(ctx)
	}
	folder, _, _ := strings.Cut(a.Source.Location, config.Placeholder)
	if folder != a.Source.Location {
		folder = filepath.Dir(folder + "x")
	}
	_, err = os.Stat(folder)
	return hint.With(err, "correct source.%s of the application, or make what it names", a.Source.Kind)
}
