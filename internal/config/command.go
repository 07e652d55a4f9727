package config

import (
	"context"
	_ "embed"
	"errors"
	"slices"
	"strings"
	"text/template"

	"relink/internal/cli"
	"relink/internal/ui"
)

// Served is how an instance is served: its set-up, and where it was asked what
// answered.
type Served struct {
	App      string `json:"app"`
	Instance string `json:"instance,omitempty"` // "": all of the application, at its last deploy
	SetUp    string `json:"set_up,omitempty"`   // resolved, revalidated or keyed
	Release  string `json:"release,omitempty"`  // that serves, or a folder that is none
	By       string `json:"by,omitempty"`       // which PHP
	Error    string `json:"error,omitempty"`    // why it could not be asked

	Hints []string `json:"hints,omitempty"` // what to do about that
}

// Serving tells how the instances are served: by asking each through its web
// server, or else what is known from their last deploy.
type Serving func(ctx context.Context, c *Config, ask bool) ([]Served, error)

// Command is "relink config". load reads the file that the global flags name; more
// are further subcommands.
func Command(env *cli.Env, load func() (*Config, error), serving Serving, more ...*cli.Command) *cli.Command {
	with := func(do func(context.Context, *cli.Call, *Config) error, formats ...string) cli.ActionFunc {
		return env.Action(func(ctx context.Context, call *cli.Call) error {
			c, err := load()
			if err != nil {
				return err
			}
			return do(ctx, call, c)
		}, formats...)
	}
	return &cli.Command{
		Name: "config", Usage: "write, check or show the configuration",
		Subcommands: append([]*cli.Command{{
			Name: "check", Usage: "check the configuration file, and look whether the folders that it names exist",
			Flags: []cli.Flag{&cli.BoolFlag{Name: "probe", Usage: "ask each instance through its web server who serves it"}},
			Action: with(func(ctx context.Context, call *cli.Call, c *Config) error {
				served, err := serving(ctx, c, call.Bool("probe"))
				return errors.Join(call.Show(summarize(c, served), nil), err)
			}),
		}, {
			Name: "show", Usage: "show the configuration with all defaults filled in",
			Flags: []cli.Flag{&cli.StringFlag{Name: "format", Usage: "text (YAML) or json"}},
			Action: with(func(_ context.Context, call *cli.Call, c *Config) error {
				return Show(call.Out, c, call.Format)
			}, "text", "json", "yaml"),
		}}, more...),
	}
}

// Checked is the answer of "config check --format json".
type Checked struct {
	Valid        bool     `json:"valid"`        // always: what is not is an error
	File         string   `json:"file"`         // that was read
	Applications int      `json:"applications"` // how many
	Instances    int      `json:"instances"`    // of all applications, how many
	Pools        int      `json:"pools"`        // 0: those of the FPM masters that run
	Served       []Served `json:"served"`
	Warnings     []string `json:"warnings"` // what to mind
}

func summarize(c *Config, served []Served) Checked {
	s := Checked{Served: append([]Served{}, served...), Valid: true, File: c.Path, Applications: len(c.Apps), Pools: len(c.Pools), Warnings: append([]string{}, Warnings(c)...)}
	for _, a := range c.Apps {
		s.Instances += len(a.Instances)
	}
	return s
}

//go:embed check.tmpl
var checkText string

// Text is the answer for people.
func (s Checked) Text(width int) string {
	form := template.Must(template.New("check").Funcs(template.FuncMap{"plural": ui.Plural[int]}).Parse(checkText))
	var text, folded strings.Builder
	_ = form.Execute(&text, s) // a Builder takes all
	for line := range strings.Lines(text.String()) {
		folded.WriteString(strings.Join(ui.Fold(strings.TrimSuffix(line, "\n"), max(width, 80)-len(hanging)), "\n"+hanging) + "\n")
	}
	return folded.String()
}

const hanging = "   "

// Advice is what to do about the instances that could not be asked, each once.
func (s Checked) Advice() (all []string) {
	for _, one := range s.Served {
		for _, text := range one.Hints {
			if !slices.Contains(all, text) {
				all = append(all, text)
			}
		}
	}
	return all
}
