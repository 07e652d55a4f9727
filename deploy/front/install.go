package front

import (
	"cmp"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"syscall"

	"relink/deploy/apps"
	"relink/internal/config"
	"relink/php"
	"relink/php/probe"
)

// Probed tells whether any instance is asked through its probe.
func Probed(app apps.App) bool {
	return slices.ContainsFunc(app.Instances, func(i config.Instance) bool { return !i.Probe.Off })
}

// AgentDir is where the agent of the application lies.
func AgentDir(app apps.App) string { return cmp.Or(app.AgentDir, php.DefaultAgentDir) }

// Install puts the probe into a release that is being made.
func Install(app apps.App, release string) error {
	if !Probed(app) {
		return nil
	}
	secret, err := probe.EnsureSecret(app.State)
	if err != nil {
		return err
	}
	err = secret.Install(release, filepath.Join(app.LinkTarget, app.Docroot), app.Name, cmp.Or(app.AgentAt, AgentDir(app)))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil // without its document root the release is not sealed, which says so
	}
	return err
}
