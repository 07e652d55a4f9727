package cli

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/urfave/cli/v2"
)

func completed() *cli.App {
	return &cli.App{Flags: (&Env{}).flags(), Commands: []*Command{{
		Name: "deploy", Flags: []Flag{
			&BoolFlag{Name: "all"}, &StringSliceFlag{Name: "instance"}, &StringFlag{Name: "app"},
			&StringFlag{Name: "reset", Usage: "what to do: smart, always or never"},
		},
	}, {
		Name: "opcache", Subcommands: []*Command{
			{Name: "report", Flags: []Flag{&StringFlag{Name: "form", Usage: "vhost (one for each, and more), mass or alias"}}}, {Name: "reset"},
		},
	}, {Name: "secret", Hidden: true}}}
}

func TestComplete(t *testing.T) {
	values := func(at Place) []string {
		switch at.Command + " " + at.Flag {
		case "deploy ":
			return []string{"v2", "v10", "v1", "$(id)", "v1;id", "a b", "v1"}
		case "deploy instance":
			return []string{"club1", "club2", "of-" + at.Given["app"], "from-" + at.Given["config"]}
		}
		return nil
	}
	for typed, want := range map[string]string{
		"":                                  "deploy opcache",
		"d":                                 "deploy",
		"opcache ":                          "report reset",
		"opcache rep":                       "report",
		"opcache report --form ":            "alias mass vhost",
		"deploy ":                           "v1 v10 v2",
		"deploy v1":                         "v1 v10",
		"deploy --":                         "--all --app --config --format --instance --log-format --log-level --no-color --quiet --reset",
		"deploy --all --a":                  "--all --app",
		"deploy -":                          "--all --app --config --format --instance --log-format --log-level --no-color --quiet --reset",
		"deploy --instance club":            "club1 club2",
		"deploy --instance club1,":          "club1,club1 club1,club2 club1,from- club1,of-",
		"deploy --app x --instance of":      "of-x",
		"--config f deploy --instance from": "from-f",
		"deploy --app = x --instance = of":  "of-x",
		"deploy --reset ":                   "always never smart",
		"deploy --reset s":                  "smart",
		"deploy --reset =":                  "always never smart",
		"deploy --reset = s":                "smart",
		"deploy --reset=":                   "--reset=always --reset=never --reset=smart",
		"deploy --reset=s":                  "--reset=smart",
		"deploy --instance=club1,c":         "--instance=club1,club1 --instance=club1,club2",
		"deploy --app=x --instance of":      "of-x",
		"deploy --al=":                      "",
		"deploy --all=":                     "",
		"deploy --config ":                  "",
		"--format j":                        "json",
		"--log-level ":                      "debug error info none warn",
		"--quiet ":                          "deploy opcache",
	} {
		words := strings.Split(typed, " ")
		if diff := cmp.Diff(want, strings.Join(complete(completed(), words, values), " ")); diff != "" {
			t.Errorf("%q: %s", typed, diff)
		}
	}
	if got := complete(completed(), nil, values); len(got) != 2 {
		t.Errorf("without a word: %q", got)
	}
}

// A shell that asks must never run what it completes, whatever was typed so far.
func TestBashAsksAndRunsNothing(t *testing.T) {
	asked := filepath.Join(t.TempDir(), "relink")
	script := `eval "$1"
printf '#!/bin/sh\nprintf "<%%s>" "$@" >"$0.asked"; echo --all; echo --app\n' >"$0"; chmod +x "$0"
COMP_WORDS=("$0" rollback --all -- --a) COMP_CWORD=4
_relink
cat "$0.asked"; echo " ${COMPREPLY[*]}"`
	out, err := exec.Command("bash", "-c", script, asked, bash).CombinedOutput()
	if want := "<complete><--><rollback><--all><--><--a> --all --app\n"; err != nil || string(out) != want {
		t.Errorf("%v: %q, want %q", err, out, want)
	}
}
