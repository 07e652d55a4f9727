package cli

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// arrange puts each flag in front of the arguments of the level that it belongs
// to, because urfave/cli stops looking for flags at the first argument: without
// it "deploy v2 --all" would leave --all unread. What is no known flag stays
// with the command, whose parser names it. Nothing after "--" is touched.
func arrange(args []string, app *cli.App) []string {
	levels, commands := [][]cli.Flag{app.Flags}, app.Commands
	flags, words := make([][]string, 1), []string{}
	names := []string{}
	for i := 0; i < len(args); i++ {
		arg := args[i]
		switch command := commandNamed(commands, arg); {
		case arg == "--":
			words = append(words, args[i:]...)
			i = len(args)
		case isFlag(arg):
			at, takesValue := owner(levels, arg)
			flags[at] = append(flags[at], arg)
			if takesValue && i+1 < len(args) {
				i++
				flags[at] = append(flags[at], args[i])
			}
		case command != nil && len(words) == 0:
			levels, commands = append(levels, command.Flags), command.Subcommands
			flags, names = append(flags, nil), append(names, arg)
		default:
			words = append(words, arg)
		}
	}
	arranged := flags[0]
	for i, name := range names {
		arranged = slices.Concat(arranged, []string{name}, flags[i+1])
	}
	return append(arranged, words...)
}

func isFlag(arg string) bool { return len(arg) > 1 && arg[0] == '-' }

// owner finds the level, the innermost first, that knows a flag, and whether its
// value is the next argument.
func owner(levels [][]cli.Flag, arg string) (at int, takesValue bool) {
	name, _, hasValue := strings.Cut(arg, "=")
	for at := len(levels) - 1; at >= 0; at-- {
		if flagNamed(levels[at], name) != nil {
			return at, valued(levels[at], name) != "" && !hasValue
		}
	}
	return len(levels) - 1, false
}

func commandNamed(commands []*cli.Command, name string) *cli.Command {
	if i := slices.IndexFunc(commands, func(c *cli.Command) bool { return c.HasName(name) }); i >= 0 {
		return commands[i]
	}
	return nil
}
