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

// Completion is "relink completion".
func Completion(env *Env) *cli.Command {
	shell := func(name string, script func(*cli.App) (string, error)) *cli.Command {
		return &cli.Command{Name: name, Usage: "print the completion for " + name, Action: env.Action(func(_ context.Context, c *Call) error {
			text, err := script(c.App)
			if err != nil {
				return err
			}
			_, err = io.WriteString(env.Out, text)
			return err
		}, "text")}
	}
	fixed := func(text string) func(*cli.App) (string, error) {
		return func(*cli.App) (string, error) { return text, nil }
	}
	return &cli.Command{
		Name: "completion", Usage: "print a script that completes commands and flags in a shell",
		Subcommands: []*cli.Command{
			shell("bash", fixed(bash)), shell("zsh", fixed(zsh)), shell("fish", (*cli.App).ToFishCompletion),
		},
	}
}
