package cli

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// Level is a program or command: its flags, and the commands below it.
type Level struct {
	Flags    map[string]bool // by name without dashes; true: a value follows
	Commands map[string]Level
}

// arrange puts each flag in front of the arguments of the level that it belongs
// to, because urfave/cli stops looking for flags at the first argument: without
// it "deploy v2 --all" would leave --all unread. What is no known flag stays
// with the command, whose parser names it. Nothing after "--" is touched.
func arrange(args []string, program Level) []string {
	levels := []Level{program}
	flags, words := make([][]string, 1), []string{}
	names := []string{}
	for i := 0; i < len(args); i++ {
		arg := args[i]
		current := levels[len(levels)-1]
		switch below, isCommand := current.Commands[arg]; {
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
		case isCommand && len(words) == 0:
			levels, flags, names = append(levels, below), append(flags, nil), append(names, arg)
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

// named is the command that a line is for, "" if none: also where arrange finds
// none, since what follows a misspelt flag may be its value.
func named(args []string, program Level) string {
	for i := 0; i < len(args); i++ {
		if isFlag(args[i]) {
			if _, takesValue := owner([]Level{program}, args[i]); takesValue {
				i++
			}
		} else if _, isCommand := program.Commands[args[i]]; isCommand {
			return args[i]
		}
	}
	return ""
}

func isFlag(arg string) bool { return len(arg) > 1 && arg[0] == '-' }

// owner finds the level, the innermost first, that knows a flag, and whether its
// value is the next argument.
func owner(levels []Level, arg string) (at int, takesValue bool) {
	name, _, hasValue := strings.Cut(strings.TrimLeft(arg, "-"), "=")
	for at := len(levels) - 1; at >= 0; at-- {
		if takes, known := levels[at].Flags[name]; known {
			return at, takes && !hasValue
		}
	}
	return len(levels) - 1, false
}

// levelOf describes a program or command.
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
