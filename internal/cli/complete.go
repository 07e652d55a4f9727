package cli

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// Place is where on a command line a shell wants to know what may stand.
type Place struct {
	Command string            // such as "opcache report"; "" where none is named yet
	Flag    string            // the flag whose value it is; "" for an argument
	Given   map[string]string // the flags before it that take a value, by name
}

// Values gives what may stand at a place; nothing where that cannot be told quickly.
type Values func(context.Context, Place) []string

// Complete is "relink complete", which the completions of the shells ask what may stand
// in place of the last word behind it.
func Complete(env *Env, values Values) *Command {
	return &Command{
		Name: "complete", Usage: "print what may stand in place of the last word", ArgsUsage: "[WORD...]", Hidden: true, HideHelp: true,
		Action: env.Action(func(ctx context.Context, c *Call) error {
			for _, one := range complete(c.App, c.Args().Slice(), func(at Place) []string {
				if file := at.Given["config"]; file != "" {
					env.ConfigFile = file
				}
				return values(ctx, at)
			}) {
				if _, err := fmt.Fprintln(env.Out, one); err != nil {
					return err
				}
			}
			return nil
		}, "text"),
	}
}

// unquoted is what a shell takes as it is: a tag of somebody else's repository may hold
// "$(...)", and some shells insert what is printed as it stands.
var unquoted = regexp.MustCompile(`^[A-Za-z0-9_./:@%+,=-]+$`)

// complete reads all words but the last, and gives what begins as that does.
func complete(app *cli.App, words []string, values func(Place) []string) []string {
	before, typed := split(words)
	at, flags, below := place(app, before)
	already := "" // what of the word stays as it is
	if name, _, hasValue := strings.Cut(typed, "="); at.Flag == "" && isFlag(typed) && hasValue {
		if at.Flag = valued(flags, name); at.Flag != "" {
			already = name + "="
		}
	}
	var choices []string
	switch flag := flagNamed(flags, at.Flag); {
	case flag != nil:
		choices = append(enumerated(flag), values(at)...)
		if _, isList := flag.(*cli.StringSliceFlag); isList {
			already = typed[:max(len(already), strings.LastIndexByte(typed, ',')+1)]
		}
	case isFlag(typed) || typed == "-":
		for _, flag := range flags {
			choices = append(choices, "--"+flag.Names()[0])
		}
	case len(below) > 0:
		for _, command := range visible(below) {
			choices = append(choices, command.Name)
		}
	default:
		choices = values(at)
	}
	slices.Sort(choices)
	var fit []string
	for _, choice := range slices.Compact(choices) {
		if choice = already + choice; strings.HasPrefix(choice, typed) && unquoted.MatchString(choice) {
			fit = append(fit, choice)
		}
	}
	return fit
}

// split parts the last word from the others. bash makes three words of "--flag=value".
func split(words []string) (before []string, typed string) {
	if len(words) > 0 {
		before, typed = words[:len(words)-1], words[len(words)-1]
	}
	isSign := func(word string) bool { return word == "=" }
	if isSign(typed) {
		typed = ""
	}
	return slices.DeleteFunc(slices.Clone(before), isSign), typed
}

// place tells what the words lead to: the flags that may follow, those of the innermost
// command first, and the commands.
func place(app *cli.App, words []string) (at Place, flags []cli.Flag, below []*cli.Command) {
	at, flags, below = Place{Given: map[string]string{}}, app.VisibleFlags(), app.Commands
	for _, word := range words {
		if at.Flag != "" {
			at.Given[at.Flag], at.Flag = word, ""
			continue
		}
		if isFlag(word) {
			name, value, hasValue := strings.Cut(word, "=")
			if at.Flag = valued(flags, name); hasValue {
				at.Given[at.Flag], at.Flag = value, ""
			}
			continue
		}
		if command := commandNamed(below, word); command != nil {
			at.Command = strings.TrimSpace(at.Command + " " + command.Name)
			flags, below = append(command.VisibleFlags(), flags...), command.Subcommands
		}
	}
	return at, flags, below
}

// valued is the name of the flag that a word is, if it takes a value; else "".
func valued(flags []cli.Flag, word string) string {
	flag := flagNamed(flags, word)
	if _, isBool := flag.(*cli.BoolFlag); flag == nil || isBool {
		return ""
	}
	return flag.Names()[0]
}

// flagNamed knows a flag with its dashes and without.
func flagNamed(flags []cli.Flag, word string) cli.Flag {
	name := strings.TrimLeft(word, "-")
	if i := slices.IndexFunc(flags, func(f cli.Flag) bool { return slices.Contains(f.Names(), name) }); i >= 0 {
		return flags[i]
	}
	return nil
}

var (
	remark = regexp.MustCompile(`\s*\([^)]*\)`)
	bare   = regexp.MustCompile(`^[a-z][a-z_-]*$`)
	either = regexp.MustCompile(`, or |, | or `)
)

// enumerated is what a flag's usage lists as its values: "of results: text or json".
func enumerated(flag cli.Flag) []string {
	documented, is := flag.(cli.DocGenerationFlag)
	if !is {
		return nil
	}
	usage := remark.ReplaceAllString(documented.GetUsage(), "")
	values := either.Split(usage[strings.LastIndex(usage, ": ")+1:], -1)
	for i, value := range values {
		if values[i] = strings.TrimSpace(value); !bare.MatchString(values[i]) {
			return nil
		}
	}
	if len(values) < 2 {
		return nil
	}
	return values
}
