package cli

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var program = Level{
	Flags: map[string]bool{"config": true, "quiet": false},
	Commands: map[string]Level{
		"deploy":  {Flags: map[string]bool{"all": false, "instance": true}},
		"opcache": {Commands: map[string]Level{"warm": {Flags: map[string]bool{"all": false}}}},
	},
}

func TestArrange(t *testing.T) {
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

func TestNamed(t *testing.T) {
	for given, want := range map[string]string{
		"":                           "",
		"deploi v2":                  "",
		"deploy v2 --all":            "deploy",
		"deploy --al opcache":        "deploy",
		"--config deploy opcache":    "opcache",
		"--config=f --quiet opcache": "opcache",
		"--confg f opcache":          "opcache",
		"--confg=f deploy":           "deploy",
		"--config":                   "",
	} {
		if got := named(strings.Fields(given), program); got != want {
			t.Errorf("%s: %q, want %q", given, got, want)
		}
	}
}
