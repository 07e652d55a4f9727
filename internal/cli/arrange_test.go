package cli

import (
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/urfave/cli/v2"
)

func commands() []*Command {
	return []*Command{
		{Name: "deploy", Flags: []Flag{&BoolFlag{Name: "all"}, &StringSliceFlag{Name: "instance"}}},
		{Name: "opcache", Subcommands: []*Command{{Name: "warm", Flags: []Flag{&BoolFlag{Name: "all"}}}}},
	}
}

func TestArrange(t *testing.T) {
	program := &cli.App{Flags: (&Env{}).flags(), Commands: commands()}
	for given, want := range map[string]string{
		"":                             "",
		"deploy --all v2":              "deploy --all v2",
		"deploy v2 --all":              "deploy --all v2",
		"deploy v2 --instance a,b":     "deploy --instance a,b v2",
		"deploy v2 --instance=a --all": "deploy --instance=a --all v2",
		"deploy v2 --config f --quiet": "--config f --quiet deploy v2",
		"--config deploy deploy v2":    "--config deploy deploy v2",
		"deploy deploy --all":          "deploy --all deploy",
		"deploy --all -- --v2":         "deploy --all -- --v2",
		"deploy v2 --al":               "deploy --al v2",
		"opcache warm x --all --quiet": "--quiet opcache warm --all x",
		"deploy - --all":               "deploy --all -",
		"deploy v2 --instance":         "deploy --instance v2",
		"nonsense --config f":          "--config f nonsense",
	} {
		t.Run(given, func(t *testing.T) {
			if diff := cmp.Diff(want, strings.Join(arrange(strings.Fields(given), program), " ")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Also where the line cannot be understood.
func TestWhatALineIsFor(t *testing.T) {
	for given, want := range map[string]string{
		"":                                  "",
		"deploi v2":                         "",
		"deploy v2 --all":                   "deploy",
		"deploy --al opcache":               "deploy",
		"--config deploy opcache":           "opcache",
		"--config=f --quiet opcache":        "opcache",
		"--confg f opcache":                 "opcache",
		"--confg=f deploy":                  "deploy",
		"--config":                          "",
		"opcache warm":                      "opcache",
		"deploy --al --format json":         "deploy json",
		"deploi --format=text --format":     " text",
		"--format=text deploy -format json": "deploy json",
		"--config --format opcache json":    "opcache",
	} {
		env := &Env{Out: io.Discard, Stderr: io.Discard}
		_ = env.Run(t.Context(), append([]string{"relink"}, strings.Fields(given)...), commands()...)
		if got := strings.TrimRight(env.Named+" "+env.Asked, " "); got != want {
			t.Errorf("%s: %q, want %q", given, got, want)
		}
	}
}
