package cli

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"relink/internal/exit"

	"github.com/urfave/cli/v2"
)

// Manual is "relink manual", by which packages get their manual pages: one of the
// program and one of each command, of what --help shows, as Markdown for go-md2man.
func Manual(env *Env) *cli.Command {
	return &cli.Command{
		Name: "manual", Usage: "write the manual pages into a folder", ArgsUsage: "FOLDER", Hidden: true,
		Action: env.Action(func(_ context.Context, c *Call) error {
			program := &cli.Command{
				Name: "relink", Usage: c.App.Usage, ArgsUsage: "COMMAND",
				Flags: c.App.VisibleFlags(), Subcommands: c.App.Commands,
			}
			return writePages(c.Args().First(), env.Version, "", program)
		}, "text"),
	}
}

func writePages(folder, version, above string, command *cli.Command) error {
	name := strings.TrimSpace(above + " " + command.Name)
	file := filepath.Join(folder, strings.ReplaceAll(name, " ", "-")+".1.md")
	if err := os.WriteFile(file, []byte(page(name, version, command)), 0o644); err != nil {
		return fmt.Errorf("manual: %w", err)
	}
	for _, below := range visible(command.Subcommands) {
		if err := writePages(folder, version, name, below); err != nil {
			return err
		}
	}
	return nil
}

// page is Markdown as go-md2man reads it.
func page(name, version string, command *cli.Command) string {
	var b strings.Builder
	dashed := strings.ReplaceAll(name, " ", "-")
	fmt.Fprintf(&b, "%s 1 \"\" %q \"User Commands\"\n===\n", strings.ToUpper(dashed), "relink "+version)
	fmt.Fprintf(&b, "# NAME\n%s - %s\n", dashed, command.Usage)
	fmt.Fprintf(&b, "# SYNOPSIS\n**%s** [*OPTIONS*] %s\n", name, command.ArgsUsage)
	if command.Description != "" {
		fmt.Fprintf(&b, "# DESCRIPTION\n%s\n", command.Description)
	}
	list(&b, "OPTIONS", command.VisibleFlags(), func(flag cli.Flag) (term, text string) {
		term, text, _ = strings.Cut(flag.String(), "\t")
		return term, text
	})
	list(&b, "COMMANDS", visible(command.Subcommands), func(below *cli.Command) (term, text string) {
		return dashed + "-" + below.Name + "(1)", below.Usage
	})
	if name != "relink" {
		b.WriteString("# SEE ALSO\nrelink(1) for the options and exit statuses of all commands, relink.yaml(5)\n")
		return b.String()
	}
	b.WriteString("# EXIT STATUS\nOf every command but health, whose are those of monitoring plugins:\n\n")
	for _, one := range exit.Meanings {
		fmt.Fprintf(&b, "**%d**\n: %s\n\n", one.Status, one.Means)
	}
	b.WriteString(aboutAll)
	return b.String()
}

// aboutAll ends the page of the program.
const aboutAll = `# EXAMPLES
**relink config init**
: looks at Apache, nginx and PHP-FPM and writes a first configuration; **relink config check** says what is wrong with it

**relink deploy v2 --instance club1**
: brings the tag v2 live on one site; then **relink deploy v2 --all** on the others

**relink rollback --all**
: brings all sites back to the release before

**relink status**
: says who serves what

# FILES
**` + defaultConfig + `**
: the configuration

**/var/lib/relink/state**
: locks, journals and history, where the configuration does not say otherwise

**/usr/share/doc/relink/docs**
: the whole manual, where relink was installed as a package

# SEE ALSO
relink.yaml(5), systemctl(1) for the service *relink*
`

func visible(commands []*cli.Command) []*cli.Command {
	return slices.DeleteFunc(slices.Clone(commands), func(c *cli.Command) bool { return c.Hidden || c.Name == "help" })
}

func list[T any](b *strings.Builder, title string, of []T, row func(T) (term, text string)) {
	if len(of) == 0 {
		return
	}
	fmt.Fprintf(b, "# %s\n", title)
	for _, one := range of {
		term, text := row(one)
		fmt.Fprintf(b, "**%s**\n: %s\n\n", term, cmp.Or(strings.TrimSpace(text), "-"))
	}
}
