package propose

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"relink/internal/cli"
	"relink/internal/config"
	"relink/internal/durable"
	"relink/internal/hint"
)

// Command is "relink config init".
func Command(env *cli.Env) *cli.Command {
	return &cli.Command{
		Name: "init", Usage: "write a first configuration from what the running web servers and PHP-FPM serve",
		Description: "Asks Apache and nginx for their configuration, by their own binaries, and changes nothing but the file it writes.\n" +
			"An existing file is kept, unless --force replaces it.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "output", Usage: "the `FILE` to write, or - for the standard output (default: the configuration file)"},
			&cli.BoolFlag{Name: "force", Usage: "replace a file that exists"},
		},
		Action: env.Action(run, "text"),
	}
}

func run(ctx context.Context, c *cli.Call) error {
	output := c.String("output")
	if output == "" {
		output = c.ConfigFile
	}
	if err := free(output, c.Bool("force")); err != nil {
		return err
	}
	told, text, err := draw(ctx)
	if err != nil {
		return err
	}
	if output == "-" {
		c.Screen().Line("%s", told)
		_, err := io.WriteString(c.Out, text)
		return err
	}
	if err := write(output, text, c.Bool("force")); err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.Out, "%s\nWritten: %s\nNext: edit its names, then\n   relink config check\n   relink deploy TAG --all\n", told, output)
	return err
}

// free looks before anything is asked of the servers.
func free(output string, force bool) error {
	if output == "-" || force {
		return nil
	}
	if _, err := os.Lstat(output); !errors.Is(err, fs.ErrNotExist) {
		return exists(output, err)
	}
	return nil
}

func exists(output string, err error) error {
	if err == nil || errors.Is(err, fs.ErrExist) {
		err = fmt.Errorf("config init: %s exists, and was not changed", output)
	}
	return hint.With(err, "write to another file with --output, look at the proposal with --output -, or replace the file with --force")
}

// draw makes the text, and proves that it is a configuration.
func draw(ctx context.Context) (told, text string, err error) {
	found, err := Look(ctx)
	if err != nil {
		return "", "", err
	}
	draft := Propose(found)
	if err := draft.Ask(ctx); err != nil {
		return "", "", err
	}
	if text, err = draft.Render(); err != nil {
		return "", "", err
	}
	if _, err := config.Parse("relink.yaml", []byte(text)); err != nil {
		return "", "", fmt.Errorf("config init: what was found fits no configuration: %w", err)
	}
	told, err = draft.Summary()
	return told, text, err
}

// write makes the folder, as /etc/relink is not there at first.
func write(output, text string, force bool) error {
	if err := os.MkdirAll(filepath.Dir(output), 0o755); err != nil {
		return fmt.Errorf("config init: %w", err)
	}
	if force {
		return durable.WriteFile(output, []byte(text), 0o644)
	}
	err := durable.WriteNewFile(output, []byte(text), 0o644)
	if errors.Is(err, fs.ErrExist) {
		return exists(output, err)
	}
	return err
}
