package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"

	"relink/internal/cli"
	"relink/internal/config"
	"relink/internal/exit"
	"relink/internal/schematest"
)

// leaf is a command that does something, by the words that name it.
type leaf struct {
	name string
	*cli.Command
}

// leaves are those of the program, as main composes it.
func leaves(env *cli.Env) (all []leaf, commands []*cli.Command) {
	commands = commandsOf(env)
	var walk func(above string, below []*cli.Command)
	walk = func(above string, below []*cli.Command) {
		for _, one := range below {
			if name := strings.TrimSpace(above + " " + one.Name); len(one.Subcommands) > 0 {
				walk(name, one.Subcommands)
			} else {
				all = append(all, leaf{name, one})
			}
		}
	}
	walk("", commands)
	return all, commands
}

func commandsOf(env *cli.Env) []*cli.Command { return commands(context.Background(), env) }

// formatsOf has the command itself say which formats it prints: it refuses an unknown
// one before it does anything.
func formatsOf(t *testing.T, l leaf) string {
	t.Helper()
	var out bytes.Buffer
	env := &cli.Env{Out: &out, Stderr: &out}
	args := append([]string{"relink"}, strings.Fields(l.name)...)
	if l.ArgsUsage != "" && l.ArgsUsage[0] != '[' {
		args = append(args, "x")
	}
	err := env.Run(t.Context(), append(args, "--format", "?"), commandsOf(env)...)
	failure := exit.FailureOf(err)
	if failure == nil || !strings.Contains(failure.Message, `no format "?"`) || len(failure.Hints) == 0 {
		t.Fatalf("%s: %v\n%s", l.name, err, out.String())
	}
	return strings.TrimPrefix(failure.Hints[0], "give --format ")
}

// What can be printed as JSON has a schema.
func TestEachCommandWithJSONHasASchema(t *testing.T) {
	all, _ := leaves(&cli.Env{})
	if len(all) < 20 {
		t.Fatalf("only %d commands", len(all))
	}
	manual, err := os.ReadFile("docs/json.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range all {
		prints := strings.Contains(formatsOf(t, one), "json")
		_, err := os.Stat(schematest.File(schematest.Of(one.name)))
		if prints != (err == nil) {
			t.Errorf("relink %s: prints JSON: %v; its schema: %v", one.name, prints, err)
		}
		if prints && !strings.Contains(string(manual), "`relink "+one.name+"`") {
			t.Errorf("docs/json.md does not name relink %s", one.name)
		}
	}
	for _, file := range schemaFiles(t) {
		if !strings.Contains(string(manual), "("+strings.TrimPrefix(file, "docs/")+")") {
			t.Errorf("docs/json.md does not lead to %s", file)
		}
	}
}

// The manual's examples of the configuration fit its schema, as "config show" shows them.
func TestTheConfigurationFitsItsSchema(t *testing.T) {
	text, err := os.ReadFile("docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, example := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		c, err := config.Parse("relink.yaml", []byte(example[1]))
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := errors.Join(config.Show(&out, c, "json"), schematest.Check(shown, out.Bytes())); err != nil {
			t.Error(err)
		}
	}
}
