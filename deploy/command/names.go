package command

import (
	"context"
	"time"

	"relink/deploy/apps"
	"relink/deploy/source/git"
	"relink/deploy/status"
	"relink/internal/config"
)

// tagsBound is how long a person who has pressed TAB waits for a repository.
const tagsBound = 3 * time.Second

// Names are those that may stand on the line of a command, as the value of a flag or,
// where that is "", as its argument: applications, and of the one that is given, or the
// only one, instances, releases, and the tags of its repository.
func Names(ctx context.Context, command, flag, given string, load func() (*config.Config, error)) (names []string) {
	c, err := load()
	if err != nil {
		return nil
	}
	if flag == "app" {
		for _, app := range c.Apps {
			names = append(names, app.Name)
		}
		return names
	}
	app, err := c.App(given)
	if err != nil {
		return nil
	}
	switch command + " " + flag {
	case "deploy instance", "rollback instance":
		for _, instance := range app.Instances {
			names = append(names, instance.Name)
		}
	case "rollback to":
		found, _ := status.ReadReleases(apps.App{App: *app, State: c.StateDir}) // none is right where they cannot be read
		for _, release := range found.Releases {
			names = append(names, release.ID)
		}
	case "deploy ":
		return tags(ctx, *app)
	}
	return names
}

func tags(ctx context.Context, app config.App) []string {
	if app.Source.Kind != "git" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, tagsBound)
	defer cancel()
	names, _ := git.Tags(ctx, app.Source.Location) // nobody wants to read an error in the line that he types
	return names
}
