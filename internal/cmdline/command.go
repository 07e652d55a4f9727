package cmdline

import (
	_ "embed"
	"fmt"
	"io"
	"strings"

	"relink/internal/exit"
	"relink/internal/hint"

	"github.com/urfave/cli/v2"
	"github.com/xrash/smetrics"
)

type usageError struct{ error }

func (usageError) Is(target error) bool { return target == exit.ErrUsage }

// LevelOf describes a program for Arrange.
func LevelOf(app *cli.App) Level { return levelOf(app.Flags, app.Commands) }

func levelOf(flags []cli.Flag, commands []*cli.Command) Level {
	level := Level{Flags: map[string]bool{}, Commands: map[string]Level{}}
	for _, flag := range flags {
		_, isBool := flag.(*cli.BoolFlag)
		for _, name := range flag.Names() {
			level.Flags[name] = !isBool
		}
	}
	for _, command := range commands {
		for _, name := range command.Names() {
			level.Commands[name] = levelOf(command.Flags, command.Subcommands)
		}
	}
	return level
}

// Strict makes every misspelt command or flag an exit.ErrUsage that names what was
// probably meant, and leaves printing and exiting to the caller: left alone,
// urfave/cli prints the whole help and exits inside Run.
func Strict(app *cli.App) {
	app.ExitErrHandler = func(*cli.Context, error) {}
	app.OnUsageError = wrongFlag
	app.Action = unknownCommand("", app.Commands)
	for _, command := range app.Commands {
		strict("", command)
	}
}

func strict(parent string, command *cli.Command) {
	command.OnUsageError = wrongFlag
	path := parent + command.Name + ": "
	if len(command.Subcommands) > 0 && command.Action == nil {
		command.Action = unknownCommand(path, command.Subcommands)
	}
	for _, below := range command.Subcommands {
		strict(path, below)
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
		err := usageError{fmt.Errorf("%sno command %q", path, c.Args().First())}
		return didYouMean(err, c.Args().First(), names, "one of: "+strings.Join(names, ", "))
	}
}

// wrongFlag is called with an error of the flag package, whose text ends with
// the flag: "flag provided but not defined: -dryrun".
func wrongFlag(c *cli.Context, err error, _ bool) error {
	const undefined = "flag provided but not defined: "
	given, isUndefined := strings.CutPrefix(err.Error(), undefined)
	if !isUndefined {
		return hint.With(usageError{err}, "see relink help %s", c.Command.Name)
	}
	given = strings.TrimLeft(given, "-")
	var names []string
	for _, flag := range append(c.Command.Flags, c.App.Flags...) {
		for _, name := range flag.Names() {
			names = append(names, "--"+name)
		}
	}
	return didYouMean(usageError{fmt.Errorf("no flag --%s", given)}, "--"+given, names, "see relink help "+c.Command.Name)
}

const leastSimilarity = 0.8

func didYouMean(err error, word string, names []string, otherwise string) error {
	best, score := "", leastSimilarity
	for _, name := range names {
		if s := smetrics.JaroWinkler(word, name, 0.7, 4); s > score {
			best, score = name, s
		}
	}
	if best == "" {
		return hint.With(err, "%s", otherwise)
	}
	return hint.With(err, "did you mean %s?", best)
}

//go:embed completion/bash
var bash string

//go:embed completion/zsh
var zsh string

// Completion is "relink completion".
func Completion(out io.Writer) *cli.Command {
	shell := func(name string, script func(*cli.Context) (string, error)) *cli.Command {
		return &cli.Command{Name: name, Usage: "print the completion for " + name, Action: func(c *cli.Context) error {
			text, err := script(c)
			if err != nil {
				return err
			}
			_, err = io.WriteString(out, text)
			return err
		}}
	}
	fixed := func(text string) func(*cli.Context) (string, error) {
		return func(*cli.Context) (string, error) { return text, nil }
	}
	return &cli.Command{
		Name: "completion", Usage: "print a script that completes commands and flags in a shell",
		Subcommands: []*cli.Command{
			shell("bash", fixed(bash)), shell("zsh", fixed(zsh)),
			shell("fish", func(c *cli.Context) (string, error) { return c.App.ToFishCompletion() }),
		},
	}
}
