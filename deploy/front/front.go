// Package front asks the sites of an application, each through its own web
// server, which PHP serves them, and judges what they answer.
package front

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"

	"relink/deploy/apps"
	"relink/internal/hint"
	"relink/internal/links"
	"relink/opcache"
	"relink/php"
	"relink/php/apache"
	"relink/php/probe"
)

// AskAll asks every instance that can be asked, whatever serves it. Each has 10 s, and
// 64 KiB for its answer.
func AskAll(ctx context.Context, app apps.App) ([]probe.Heard, error) {
	secret, err := probe.ReadSecret(app.State)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, hint.With(fmt.Errorf("%s: nobody has made the probe yet", app.Name), "deploy once: each release brings it")
	}
	if err != nil {
		return nil, err
	}
	sights := probe.AskAll(ctx, secret.Doors(app.Name, app.Instances), probe.AtOnce)
	if len(sights) == 0 {
		return nil, hint.With(fmt.Errorf("%s: no instance has an address", app.Name), "give the application a check or a probe: the URL of the document root, and the host of each instance")
	}
	return sights, ctx.Err()
}

// Addressing is how the web server names scripts to the PHP that answered.
func Addressing(s probe.Heard) opcache.Addressing {
	switch {
	case s.Err != nil:
		return ""
	case path.Clean(s.Answer.Filename) == path.Clean(s.Answer.File):
		return opcache.Resolved
	case s.Answer.RevalidatePath:
		return opcache.Revalidated
	}
	return opcache.Keyed
}

// Weakest is the set-up that holds for all sites; "" where one is not known.
func Weakest(sights []probe.Heard) opcache.Addressing {
	var weakest opcache.Addressing
	for _, s := range sights {
		one := Addressing(s)
		if one == "" {
			return ""
		}
		weakest = weakest.Weaker(one)
	}
	return weakest
}

// By says which PHP answered.
func By(s probe.Heard) string {
	text := fmt.Sprintf("PHP %s (%s), pid %d", s.Answer.PHPVersion, s.Answer.SAPI, s.Answer.PID)
	if !s.Answer.CacheStart.IsZero() {
		text += ", OPcache since " + s.Answer.CacheStart.Local().Format("2006-01-02 15:04:05")
	}
	return text
}

// ReleaseOf is the release that a script is of, or the folder that it lies in.
func ReleaseOf(file, releases string) string {
	return folderOr(links.Release(file, releases))
}

func folderOr(release string) string {
	if filepath.IsAbs(release) {
		return filepath.Dir(release)
	}
	return release
}

// WebPools are the PHPs inside of web servers: the processes of each are reached
// through any of the sites that it serves.
func WebPools(ctx context.Context, sights []probe.Heard, agentDir string) []php.Pool {
	var pools []php.Pool
	for _, one := range apache.Pools(ctx, sights, func(int) string { return agentDir }) {
		pools = append(pools, one.Pool)
	}
	return pools
}

// Ours tells whether a file may belong to a release, or to a folder that a link
// leads to now.
func Ours(app apps.App, file string, states []links.State) bool {
	if links.Within(file, app.RealReleases()) {
		return true
	}
	return slices.ContainsFunc(states, func(s links.State) bool { return s.Real != "" && links.Within(file, s.Real) })
}

// seenReleases is the releases folder as PHP sees it: what lies before the id of
// one of the releases.
func seenReleases(app apps.App, file string, states []links.State, to string) string {
	known := map[string]bool{to: true}
	for _, state := range states {
		known[links.Release(state.Real, app.RealReleases())] = true
	}
	for dir := path.Dir(file); dir != "/" && dir != "."; dir = path.Dir(dir) {
		if known[path.Base(dir)] {
			return path.Dir(dir)
		}
	}
	return "/path/there"
}
