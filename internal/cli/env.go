// Package cli is the harness of the command line: what every command gets of the
// program around it, how its line is read, how it shows its result, and how it fails.
package cli

import (
	"cmp"
	"context"
	"io"
	"os"
	"strings"

	"relink/internal/exit"
	"relink/internal/ui"

	"github.com/rs/zerolog"
	"github.com/urfave/cli/v2"
)

// Env is what every command gets of the program around it.
type Env struct {
	Out     io.Writer           // for results
	Stderr  io.Writer           // for progress, errors and the log
	Getenv  func(string) string // nil: an empty environment
	Program string              // its name; "": relink
	About   string              // what it does, for its help; "": what relink does
	Version string
	Built   string // from which commit, and with which Go

	// What Run reads of the command line.
	Typed      string // all of it
	Named      string // the command, also where the line could not be understood; "" if none
	Asked      string // the last --format, also where the line could not be understood; "" if none
	ConfigFile string

	noColor, quiet      bool
	logLevel, logFormat string
	screen              *ui.Output
}

const defaultConfig = "/etc/relink/relink.yaml"

// Run runs the command that args name.
func (e *Env) Run(ctx context.Context, args []string, commands ...*Command) error {
	app := &cli.App{
		Name: e.program(), Usage: cmp.Or(e.About, "one PHP release for many sites, moved without a restart"), Version: e.Version + " (" + e.Built + ")",
		Writer: e.Out, ErrWriter: e.Stderr, Flags: e.flags(), Commands: commands,
	}
	refuse(app)
	withoutFalse(app.Flags, app.Commands)
	at, _, _ := place(app, args[1:])
	e.Named, _, _ = strings.Cut(at.Command, " ")
	e.Typed, e.Asked = strings.Join(args, " "), at.Given["format"]
	return app.RunContext(ctx, append(args[:1:1], arrange(args[1:], app)...))
}

func (e *Env) program() string { return cmp.Or(e.Program, "relink") }

func (e *Env) flags() []Flag {
	return []Flag{
		&StringFlag{Name: "config", Usage: "the configuration `FILE`", Value: defaultConfig, EnvVars: []string{"RELINK_CONFIG"}, Destination: &e.ConfigFile},
		&StringFlag{Name: "format", Usage: "of results: text or json", Value: "text"},
		&StringFlag{Name: "log-level", Usage: "debug, info, warn, error or none", Value: "warn", Destination: &e.logLevel},
		&StringFlag{Name: "log-format", Usage: "text or json", Value: "text", Destination: &e.logFormat},
		&BoolFlag{Name: "no-color", Usage: "no colours", EnvVars: []string{"NO_COLOR"}, Destination: &e.noColor},
		&BoolFlag{Name: "quiet", Usage: "no progress", Destination: &e.quiet},
	}
}

// withoutFalse leaves "(default: false)" out of the help: a flag that is not given is not.
func withoutFalse(flags []Flag, commands []*Command) {
	for _, flag := range flags {
		if yes, is := flag.(*BoolFlag); is {
			yes.DisableDefaultText = true
		}
	}
	for _, command := range commands {
		withoutFalse(command.Flags, command.Subcommands)
	}
}

// Finish tells how a command ended, and gives the exit status: an error is shown as
// JSON on stdout where that was asked for and no result has told it already, else on
// stderr.
func (e *Env) Finish(err error) int {
	e.Screen().Close()
	status := exit.Status(err)
	if err == nil || exit.IsPrinted(err) {
		return status
	}
	if e.Asked != "json" || ui.JSON(e.Out, exit.Document{Exit: status, Error: exit.FailureOf(err)}) != nil {
		e.Screen().Error(err)
	}
	return status
}

// Screen is what people see while something runs.
func (e *Env) Screen() *ui.Output {
	if e.screen == nil {
		terminal, width := terminalOf(e.Stderr)
		e.screen = ui.New(e.Stderr, ui.Options{Color: terminal && !e.noColor, Terminal: terminal, Quiet: e.quiet, Width: width, Program: e.program()})
	}
	return e.screen
}

// Variable is one of the environment.
func (e *Env) Variable(name string) string {
	if e.Getenv == nil {
		return ""
	}
	return e.Getenv(name)
}

// Terminal tells whether results go to a terminal, and its width in columns.
func (e *Env) Terminal() (is bool, width int) { return terminalOf(e.Out) }

func terminalOf(w io.Writer) (is bool, width int) {
	if file, isFile := w.(*os.File); isFile {
		return ui.Terminal(file)
	}
	return false, 0
}

// widest keeps tables readable on very wide terminals.
const widest = 120

// Width is that of results, in columns.
func (e *Env) Width() int { return min(e.Screen().Width(), widest) }

// Log writes above what the screen shows.
func (e *Env) Log() *zerolog.Logger {
	level, err := zerolog.ParseLevel(e.logLevel)
	if err != nil || e.logLevel == "none" {
		level = zerolog.Disabled
	}
	var to io.Writer = e.Screen()
	switch {
	case e.logFormat == "json":
	case toJournal(e.Variable("JOURNAL_STREAM"), e.Stderr):
		to = journal{to}
	default:
		to = zerolog.ConsoleWriter{Out: to, NoColor: !bool(e.Screen().Colors())}
	}
	log := zerolog.New(to).Level(level).With().Timestamp().Logger()
	return &log
}
