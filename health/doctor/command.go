package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"relink/health"
	checks "relink/health/command"
	"relink/health/gather"
	"relink/internal/cli"
	"relink/internal/config"
	"relink/internal/exit"
	"relink/internal/ui"
)

// Command is "relink doctor". load is called when the command line has been read.
func Command(env *cli.Env, load func() (*config.Config, error)) *cli.Command {
	return &cli.Command{
		Name: "doctor", Usage: "say on one screen what is well, what is not, and what to do first",
		Description: "Changes nothing that serves, and needs no configuration. Exit status: 0 if nothing blocks a deploy or troubles visitors, else 1.",
		Action: env.Action(func(ctx context.Context, c *cli.Call) error {
			diagnosis, err := diagnose(ctx, c.ConfigFile, load)
			if err == nil && ctx.Err() != nil {
				err = ctx.Err()
			}
			if err != nil {
				return err
			}
			if diagnosis.Exit != 0 {
				err = exit.Printed(errors.New(diagnosis.headline()))
			}
			return errors.Join(c.Show(diagnosis, nil), err)
		}),
	}
}

func diagnose(ctx context.Context, file string, load func() (*config.Config, error)) (Diagnosis, error) {
	c, err := load()
	configured := !errors.Is(err, fs.ErrNotExist)
	if !configured {
		c, err = config.Parse(file, nil) // the pools that run, and all defaults
	}
	if err != nil {
		return Diagnosis{}, err
	}
	deps, thresholds := checks.FromConfig(c)
	if !configured {
		deps.Samples = nil // nothing is kept where nobody has said where
	}
	chosen, err := health.Select(nil, c.Health.Skip)
	if err != nil {
		return Diagnosis{}, fmt.Errorf("health.skip: %w", err)
	}
	facts := gather.Facts(ctx, deps)
	results := health.Evaluate(facts, thresholds, chosen...)
	if !configured {
		return Unconfigured(ctx, file, facts, results)
	}
	return Diagnose(file, slices.Concat(Needs(ctx, c), results), next(c, facts)...), nil
}

// next is what an application waits for that was never deployed.
func next(c *config.Config, f health.Facts) []string {
	var commands []string
	for _, a := range f.Apps {
		if a.Last != nil || a.DeployErr != nil || len(a.Instances) == 0 {
			continue
		}
		which := ""
		if len(c.Apps) > 1 {
			which = " --app " + ui.Printable(a.Name)
		}
		commands = append(commands, "relink deploy REF --all"+which+" --dry-run", "relink deploy REF --all"+which)
		break
	}
	return commands
}
