package cli

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"

	"relink/internal/exit"
	"relink/internal/hint"
	"relink/internal/ui"

	"github.com/urfave/cli/v2"
)

// Call is one run of a command, whose line has been read and is as it should be.
type Call struct {
	*cli.Context
	*Env
	Format string // of the result
}

// Action is what a command does: with no argument, one, or any number, as its
// ArgsUsage has none, a name, or one in brackets; and with its result in one of the
// formats, which are text and json where none are given.
func (e *Env) Action(do func(context.Context, *Call) error, formats ...string) cli.ActionFunc {
	if len(formats) == 0 {
		formats = []string{"text", "json"}
	}
	return func(c *cli.Context) error {
		format, err := formatOf(c, formats)
		if err = errors.Join(argumentsOf(c), err); err != nil {
			return err
		}
		return do(c.Context, &Call{c, e, format})
	}
}

func argumentsOf(c *cli.Context) error {
	name, wanted, n := strings.TrimPrefix(c.Command.HelpName, c.App.Name+" "), c.Command.ArgsUsage, c.Args().Len()
	var err error
	switch {
	case wanted == "" && n > 0:
		err = exit.Usagef("%s: takes no argument, got %q", name, c.Args().First())
	case wanted != "" && wanted[0] != '[' && n != 1:
		err = exit.Usagef("%s: give one %s, got %d", name, wanted, n)
	}
	return hint.With(err, "%s", seeHelp(c))
}

// formatOf is the --format given nearest to the command.
func formatOf(c *cli.Context, formats []string) (string, error) {
	for _, level := range c.Lineage() {
		if !level.IsSet("format") {
			continue
		}
		format := level.String("format")
		if !slices.Contains(formats, format) {
			return "", hint.With(exit.Usagef("no format %q", format), "give --format %s", strings.Join(formats, ", "))
		}
		return format, nil
	}
	return "text", nil
}

// List is a flag's values, each of which may name several, separated by commas.
func List(values []string) []string {
	var names []string
	for _, value := range values {
		for name := range strings.SplitSeq(value, ",") {
			if name = strings.TrimSpace(name); name != "" {
				names = append(names, name)
			}
		}
	}
	return names
}

// Result is what a command has found or done: a document as JSON, a text for people, in
// lines of at most so many columns.
type Result interface{ Text(width int) string }

// Show prints a result. As text it is shown only where something has become of it.
func (c *Call) Show(result Result, err error) error {
	if c.Format != "json" && err != nil && !errors.Is(err, exit.ErrUnverified) {
		return err
	}
	return c.ShowFailed(result, err)
}

// ShowFailed prints a result whatever the error. In JSON a failure is part of it.
func (c *Call) ShowFailed(result Result, err error) error {
	if c.Format != "json" {
		_, printErr := io.WriteString(c.Out, result.Text(c.Width()))
		return errors.Join(err, printErr)
	}
	if printErr := ui.JSON(c.Out, result); printErr != nil || err == nil {
		return errors.Join(err, printErr)
	}
	return exit.Printed(err)
}
