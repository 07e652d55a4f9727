package apache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"

	"relink/deploy/apps"
	"relink/internal/cli"
	"relink/internal/config"
	"relink/internal/exit"
	"relink/internal/hint"
	"relink/php/probe"
)

// program is what the commands get.
type program struct {
	*cli.Env
	load func() (*config.Config, error)
}

// Command is "relink apache". load is called when the command line has been read.
func Command(env *cli.Env, load func() (*config.Config, error)) *cli.Command {
	p := program{env, load}
	return &cli.Command{
		Name: "apache", Usage: "have Apache send real paths, and prove that it does",
		Subcommands: []*cli.Command{p.configCommand(), p.scriptCommand(), p.checkCommand()},
	}
}

func appFlag() cli.Flag {
	return &cli.StringFlag{Name: "app", Usage: "the application `NAME`; not needed where there is only one"}
}

func (p program) configCommand() *cli.Command {
	return &cli.Command{
		Name: "config", Usage: "print the configuration to include in the virtual hosts of an application",
		Flags: []cli.Flag{appFlag(),
			&cli.StringFlag{Name: "form", Value: string(FormVHost), Usage: "vhost (one for each site), mass (one for all) or alias (below a prefix)"},
			&cli.StringFlag{Name: "prefix", Usage: "with --form alias: the beginning of the application's URLs, such as /booking"},
			&cli.StringFlag{Name: "allow-override", Value: "All", Usage: "what .htaccess files may set"},
			&cli.StringFlag{Name: "lua", Usage: `for mod_php: the absolute path of the FILE that "relink apache script" prints`},
		},
		Action: p.with(func(_ context.Context, s session) error {
			text, err := s.include().Text()
			if err != nil {
				return usage(err)
			}
			_, err = io.WriteString(s.Out, text)
			return err
		}, "text"),
	}
}

func (p program) scriptCommand() *cli.Command {
	return &cli.Command{
		Name: "script", Usage: "print the script for mod_lua that mod_php needs besides",
		Action: p.Action(func(_ context.Context, c *cli.Call) error {
			_, err := io.WriteString(c.Out, Script)
			return err
		}, "text"),
	}
}

func (p program) checkCommand() *cli.Command {
	return &cli.Command{
		Name: "check", Usage: "ask each site, and compare with the map and the links", Flags: []cli.Flag{appFlag()},
		Action: p.with(func(ctx context.Context, s session) error {
			answers, err := s.ask(ctx)
			if err != nil {
				return err
			}
			result, err := Check(s.app, answers)
			if err != nil && !errors.Is(err, ErrNotResolved) {
				return err
			}
			return s.ShowFailed(result, err)
		}),
	}
}

// session is one command with its application.
type session struct {
	*cli.Call
	app apps.App
}

func (p program) with(do func(context.Context, session) error, formats ...string) cli.ActionFunc {
	return p.Action(func(ctx context.Context, c *cli.Call) error {
		read, err := p.load()
		if err != nil {
			return err
		}
		app, err := read.App(c.String("app"))
		if err != nil {
			return err
		}
		if app.Map == "" {
			return hint.With(usage(fmt.Errorf("application %s has no map", app.Name)),
				`name a file for it in %s, such as "map: %s"`, read.Path, filepath.Join(read.StateDir, app.Name+".map"))
		}
		return do(ctx, session{c, apps.App{App: *app, State: read.StateDir}})
	}, formats...)
}

func (s session) include() Include {
	return Include{
		App: s.app.Name, Form: Form(s.String("form")), Prefix: s.String("prefix"),
		Releases: s.app.RealReleases(), Docroot: filepath.Join(s.app.LinkTarget, s.app.Docroot), Map: s.app.Map,
		AllowOverride: s.String("allow-override"), Lua: s.String("lua"),
	}
}

// ask asks each instance at the address that the configuration gives it, if it gives one.
func (s session) ask(ctx context.Context) (map[string]probe.Heard, error) {
	secret, err := probe.ReadSecret(s.app.State)
	if errors.Is(err, fs.ErrNotExist) { // the first deploy makes it
		err = hint.With(err, "deploy %s once: that puts the probe into its release", s.app.Name)
	}
	if err != nil {
		return nil, err
	}
	answers := map[string]probe.Heard{}
	for _, one := range probe.AskAll(ctx, secret.Doors(s.app.Name, s.app.Instances), probe.AtOnce) {
		answers[one.Door.Site] = one
	}
	return answers, ctx.Err()
}

func usage(err error) error {
	return hint.With(exit.As(exit.ErrUsage, err), "see relink apache --help")
}
