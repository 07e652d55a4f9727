package cli

import (
	"strings"

	"relink/internal/exit"
	"relink/internal/hint"

	"github.com/urfave/cli/v2"
)

// refuse makes every misspelt command or flag an exit.ErrUsage that names what was
// probably meant, and leaves printing and exiting to the caller: left alone,
// urfave/cli prints the whole help and exits inside Run.
func refuse(app *cli.App) {
	app.ExitErrHandler = func(*cli.Context, error) {}
	app.OnUsageError = wrongFlag
	app.Action = unknownCommand("", app.Commands)
	refuseIn("", app.Commands)
}

func refuseIn(parent string, commands []*cli.Command) {
	for _, command := range commands {
		command.OnUsageError = wrongFlag
		path := parent + command.Name + ": "
		if len(command.Subcommands) > 0 && command.Action == nil {
			command.Action = unknownCommand(path, command.Subcommands)
		}
		refuseIn(path, command.Subcommands)
	}
}

func unknownCommand(path string, commands []*cli.Command) cli.ActionFunc {
	var names []string
	for _, command := range commands {
		if !command.Hidden {
			names = append(names, command.Name)
		}
	}
	return func(c *cli.Context) error {
		if !c.Args().Present() {
			return cli.ShowSubcommandHelp(c)
		}
		err := exit.Usagef("%sno command %q", path, c.Args().First())
		return hint.DidYouMean(err, c.Args().First(), names, 1, "one of: "+strings.Join(names, ", "))
	}
}

// wrongFlag is called with an error of the flag package, whose text ends with
// the flag: "flag provided but not defined: -dryrun".
func wrongFlag(c *cli.Context, err error, _ bool) error {
	const undefined = "flag provided but not defined: "
	given, isUndefined := strings.CutPrefix(err.Error(), undefined)
	if !isUndefined {
		return hint.With(exit.As(exit.ErrUsage, err), "%s", seeHelp(c))
	}
	given = strings.TrimLeft(given, "-")
	var names []string
	for _, flag := range append(c.Command.Flags, c.App.Flags...) {
		for _, name := range flag.Names() {
			names = append(names, "--"+name)
		}
	}
	return hint.DidYouMean(exit.Usagef("no flag --%s", given), "--"+given, names, 1, seeHelp(c))
}

func seeHelp(c *cli.Context) string { return "see " + c.Command.HelpName + " --help" }
