package config

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"relink/internal/hint"

	"github.com/urfave/cli/v2"
)

// Served is how an instance is served: its set-up, and where it was asked what
// answered.
type Served struct {
	App      string `json:"app"`
	Instance string `json:"instance,omitempty"` // "": all of the application, at its last deploy
	SetUp    string `json:"set_up,omitempty"`
	Release  string `json:"release,omitempty"`
	By       string `json:"by,omitempty"`    // which PHP
	Error    string `json:"error,omitempty"` // why it could not be asked
}

// Serving tells how the instances are served: by asking each through its web
// server, or else what is known from their last deploy.
type Serving func(ctx context.Context, c *Config, ask bool) ([]Served, error)

// Command is "relink config". load reads the file that the global flags name;
// results go to out; more are further subcommands.
func Command(load func() (*Config, error), out io.Writer, serving Serving, more ...*cli.Command) *cli.Command {
	// The global --format has the same name, and cli.v2 would otherwise refuse
	// it behind the command.
	format := func(values string) []cli.Flag {
		return []cli.Flag{&cli.StringFlag{Name: "format", Usage: values}}
	}
	run := func(do func(io.Writer, *Config, string) error, formats ...string) cli.ActionFunc {
		return func(ctx *cli.Context) error {
			chosen, err := formatOf(ctx, formats)
			if err != nil {
				return err
			}
			c, err := load()
			if err != nil {
				return err
			}
			return do(out, c, chosen)
		}
	}
	return &cli.Command{
		Name:  "config",
		Usage: "write, check or show the configuration",
		Subcommands: append([]*cli.Command{{
			Name:  "check",
			Usage: "check the configuration file, and look whether the folders that it names exist",
			Flags: append(format("text or json"), &cli.BoolFlag{Name: "probe", Usage: "ask each instance through its web server who serves it"}),
			Action: func(ctx *cli.Context) error {
				return run(func(out io.Writer, c *Config, format string) error {
					served, err := serving(ctx.Context, c, ctx.Bool("probe"))
					return errors.Join(check(out, c, format, served), err)
				}, "text", "json")(ctx)
			},
		}, {
			Name:   "show",
			Usage:  "show the configuration with all defaults filled in",
			Flags:  format("text (YAML) or json"),
			Action: run(Show, "text", "json", "yaml"),
		}}, more...),
	}
}

// formatOf is the --format given nearest to the command.
func formatOf(ctx *cli.Context, known []string) (string, error) {
	for _, level := range ctx.Lineage() {
		if !level.IsSet("format") {
			continue
		}
		format := level.String("format")
		if !slices.Contains(known, format) {
			return "", hint.With(invalidf("no format %q%s", format, didYouMean(format, known)), "give --format text or --format json")
		}
		return format, nil
	}
	return "text", nil
}

// summary is the answer of "config check --format json".
type summary struct {
	Valid        bool     `json:"valid"`
	File         string   `json:"file"`
	Applications int      `json:"applications"`
	Instances    int      `json:"instances"`
	Pools        int      `json:"pools"` // 0: those of the FPM masters that run
	Served       []Served `json:"served"`
	Warnings     []string `json:"warnings"`
}

func check(out io.Writer, c *Config, format string, served []Served) error {
	s := summary{Served: append([]Served{}, served...), Valid: true, File: c.Path, Applications: len(c.Apps), Pools: len(c.Pools), Warnings: Warnings(c)}
	for _, a := range c.Apps {
		s.Instances += len(a.Instances)
	}
	if format == "json" {
		s.Warnings = append([]string{}, s.Warnings...)
		return json.NewEncoder(out).Encode(s)
	}
	return s.print(out)
}

func (s summary) print(out io.Writer) error {
	pools := "pools of the running FPM masters"
	if s.Pools > 0 {
		pools = count(s.Pools, "pool")
	}
	text := fmt.Sprintf("ok: %s, %s, %s\n", count(s.Applications, "application"), count(s.Instances, "instance"), pools)
	for _, one := range s.Served {
		text += one.sentence() + "\n"
	}
	for _, warning := range s.Warnings {
		text += "warning: " + warning + "\n"
	}
	_, err := io.WriteString(out, text)
	return err
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// sentence tells one instance in a line.
func (s Served) sentence() string {
	name := s.App
	if s.Instance != "" {
		name += " " + s.Instance
	}
	switch {
	case s.Error != "":
		return name + ": cannot be asked: " + s.Error
	case s.Instance == "":
		return name + ": " + s.SetUp + ", at its last deploy"
	}
	return fmt.Sprintf("%s: %s, serves %s by %s", name, s.SetUp, s.Release, s.By)
}
