package cli

import (
	"context"
	_ "embed"
	"io"

	"github.com/urfave/cli/v2"
)

//go:embed completion/bash
var bash string

//go:embed completion/zsh
var zsh string

//go:embed completion/fish
var fish string

// Completion is "relink completion", whose scripts ask Complete.
func Completion(env *Env) *cli.Command {
	shell := func(name, script string) *cli.Command {
		return &cli.Command{Name: name, Usage: "print the completion for " + name, Action: env.Action(func(context.Context, *Call) error {
			_, err := io.WriteString(env.Out, script)
			return err
		}, "text")}
	}
	return &cli.Command{
		Name: "completion", Usage: "print a script that completes commands, flags and names",
		Subcommands: []*cli.Command{shell("bash", bash), shell("zsh", zsh), shell("fish", fish)},
	}
}
