package main

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"relink/internal/cli"
)

// block is what the manual shows between two fences: commands ("sh"), a session
// ("console", or nothing: its lines with "$ "), or how a command is called ("usage").
type block struct {
	page   string
	number int // of its first line
	info   string
	lines  []string
	mark   string // what stands before it, or at the top of the page, as <!-- ... -->
}

var (
	fence    = regexp.MustCompile("^```(\\w*)$")
	marked   = regexp.MustCompile(`^<!-- ((?:not run: |run by ).+) -->$`)
	programs = regexp.MustCompile(`^(?:\$|relink|make|git|apt|apt-get|install|systemctl|sudo|curl|go) `)
)

// blocksOf reads a page. A mark right below its title is that of all its commands.
func blocksOf(t *testing.T, page string) (blocks []block) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var open *block
	var mark, ofPage string
	seen := 0 // lines that are no mark, heading or empty
	for i, line := range strings.Split(string(text), "\n") {
		begins, isMark := fence.FindStringSubmatch(line), marked.FindStringSubmatch(line)
		switch {
		case open != nil && line == "```":
			blocks, open = append(blocks, *open), nil
		case open != nil:
			open.lines = append(open.lines, line)
		case begins != nil:
			open = &block{page: page, number: i + 2, info: begins[1], mark: mark}
			if mark == "" {
				open.mark = ofPage
			}
			mark = ""
		case isMark != nil && seen == 0:
			ofPage = isMark[1]
		case isMark != nil:
			mark = isMark[1]
		case line != "":
			mark = ""
			if !strings.HasPrefix(line, "#") {
				seen++
			}
			if indented, ok := strings.CutPrefix(line, "    "); ok && programs.MatchString(indented) {
				t.Errorf("%s:%d: a command outside of ```sh, where no test finds it: %s", page, i+1, indented)
			}
		}
	}
	return blocks
}

// commandsIn are the simple commands of a block, without comments.
func (b block) commandsIn() (all []string) {
	text := strings.ReplaceAll(strings.Join(b.lines, "\n"), "\\\n", " ")
	for _, line := range strings.Split(text, "\n") {
		if b.info != "sh" && b.info != "usage" {
			typed, ok := strings.CutPrefix(line, "$ ")
			if !ok {
				continue
			}
			line = typed
		}
		line, _, _ = strings.Cut(line, " #")
		line, _, _ = strings.Cut(line, " >")
		if b.info == "usage" {
			all = append(all, line)
			continue
		}
		for _, one := range regexp.MustCompile(`&&|\|\|?|;`).Split(line, -1) {
			if one = strings.TrimSpace(one); one != "" && one[0] != '#' {
				all = append(all, one)
			}
		}
	}
	return all
}

// call is a command of relink's with the flags that it was given.
type call struct {
	command string
	flags   []string
}

// readRun finds the command in the words of a line, "" where there is none.
func readRun(line string, all []leaf) call {
	words := strings.Fields(line)
	r := call{}
	for i := range words {
		for _, one := range all {
			if n := len(strings.Fields(one.name)); r.command == "" && i+n <= len(words) && strings.Join(words[i:i+n], " ") == one.name {
				r.command = one.name
			}
		}
		if name, _, _ := strings.Cut(words[i], "="); strings.HasPrefix(name, "--") && len(name) > 2 {
			r.flags = append(r.flags, strings.Trim(name, `"'`))
		}
	}
	return r
}

var relinkCall = regexp.MustCompile("\\brelink(?:-killed|-raced)?\"? ([^|;&<>'`)\n]*)")

// runsOfScripts are the commands that the testscripts run.
func runsOfScripts(t *testing.T, all []leaf) (runs []call) {
	t.Helper()
	scripts, err := filepath.Glob("internal/e2e/testdata/*/*.txtar")
	if err != nil || len(scripts) < 20 {
		t.Fatalf("%v, %d testscripts", err, len(scripts))
	}
	for _, script := range scripts {
		text, err := os.ReadFile(script)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if strings.HasPrefix(line, "#") {
				continue
			}
			for _, found := range relinkCall.FindAllStringSubmatch(line, -1) {
				runs = append(runs, readRun(found[1], all))
			}
		}
	}
	return runs
}

func isRun(wanted call, runs []call) bool {
	return slices.ContainsFunc(runs, func(r call) bool {
		return r.command == wanted.command && !slices.ContainsFunc(wanted.flags, func(flag string) bool { return !slices.Contains(r.flags, flag) })
	})
}

// inert is the program with commands that do nothing but read their line.
type inert struct {
	all     []leaf
	formats map[string][]string
}

func newInert(t *testing.T) inert {
	t.Helper()
	p := inert{formats: map[string][]string{}}
	p.all, _ = leaves(&cli.Env{})
	for _, one := range p.all {
		p.formats[one.name] = strings.Split(formatsOf(t, one), ", ")
	}
	return p
}

// parse reads a line as the program does.
func (p inert) parse(t *testing.T, line string) error {
	t.Helper()
	var out bytes.Buffer
	env := &cli.Env{Out: &out, Stderr: &out}
	all, program := leaves(env)
	for _, one := range all {
		one.Action = env.Action(func(context.Context, *cli.Call) error { return nil }, p.formats[one.name]...)
	}
	return env.Run(t.Context(), strings.Fields(line), program...)
}

// The pages of the manual.
func pages(t *testing.T) []string {
	t.Helper()
	all, err := filepath.Glob("docs/*.md")
	if err != nil || len(all) == 0 {
		t.Fatalf("%v, %d pages", err, len(all))
	}
	return append(all, "README.md", "SECURITY.md")
}

// Each command line of the manual is one that relink understands and that a test runs, or
// says why no test does (docs/architecture.md).
func TestEachCommandLineOfTheManualIsRun(t *testing.T) {
	p := newInert(t)
	runs := runsOfScripts(t, p.all)
	seen := 0
	for _, page := range pages(t) {
		for _, b := range blocksOf(t, page) {
			b.wantTest(t)
			for _, line := range b.commandsIn() {
				seen++
				if err := p.judge(t, b, line, runs); err != nil {
					t.Errorf("%s:%d: %s\n\t%v", b.page, b.number, line, err)
				}
			}
		}
	}
	if seen < 100 {
		t.Errorf("only %d command lines found", seen)
	}
}

func (p inert) judge(t *testing.T, b block, line string, runs []call) error {
	t.Helper()
	program, _, _ := strings.Cut(line, " ")
	switch {
	case b.info == "usage":
		return p.judgeUsage(line)
	case program == "relink":
		if err := p.parse(t, line); err != nil {
			return err
		}
		if b.mark == "" && !isRun(readRun(line, p.all), runs) {
			return fmt.Errorf("no testscript runs it with these flags: write one, or say above the block <!-- not run: why --> or <!-- run by PACKAGE TEST -->")
		}
	case b.mark == "":
		return fmt.Errorf("no test runs it: say above the block <!-- not run: why --> or <!-- run by PACKAGE TEST -->")
	}
	return nil
}

// judgeUsage wants all flags of a command to be there, and no others.
func (p inert) judgeUsage(line string) error {
	r := readRun(strings.NewReplacer("[", " ", "]", " ", "(", " ", ")", " ", "|", " ").Replace(line), p.all)
	at := slices.IndexFunc(p.all, func(l leaf) bool { return l.name == r.command })
	if at < 0 {
		return fmt.Errorf("relink has no such command")
	}
	var known []string
	for _, flag := range p.all[at].Flags {
		known = append(known, "--"+flag.Names()[0])
	}
	for _, flag := range r.flags {
		if !slices.Contains(known, flag) && flag != "--format" {
			return fmt.Errorf("it has no flag %s", flag)
		}
	}
	for _, flag := range known {
		if !slices.Contains(r.flags, flag) && !slices.Contains([]string{"--app", "--format"}, flag) {
			return fmt.Errorf("it has a flag %s, too", flag)
		}
	}
	return nil
}

var runBy = regexp.MustCompile(`^run by (\S+) (Test\w+)`)

// wantTest wants the test that a mark names to be there.
func (b block) wantTest(t *testing.T) {
	t.Helper()
	named := runBy.FindStringSubmatch(b.mark)
	if named == nil {
		if strings.HasPrefix(b.mark, "run by ") {
			t.Errorf("%s:%d: %q names no PACKAGE and TEST", b.page, b.number, b.mark)
		}
		return
	}
	files, _ := filepath.Glob(filepath.Join(named[1], "*_test.go"))
	for _, file := range files {
		if text, err := os.ReadFile(file); err == nil && bytes.Contains(text, []byte("func "+named[2]+"(")) {
			return
		}
	}
	t.Errorf("%s:%d: there is no %s in %s", b.page, b.number, named[2], named[1])
}

// Commands that the text names have these flags.
func TestTheManualNamesCommandsAsTheyAre(t *testing.T) {
	all, program := leaves(&cli.Env{})
	groups := map[string]bool{}
	for _, one := range program {
		groups[one.Name] = true
	}
	var help bytes.Buffer
	if err := (&cli.Env{Out: &help, Stderr: &help}).Run(t.Context(), []string{"relink", "--help"}, program...); err != nil {
		t.Fatal(err)
	}
	span := regexp.MustCompile("`relink ([^`]+)`")
	for _, page := range pages(t) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range span.FindAllStringSubmatch(string(text), -1) {
			line := strings.ReplaceAll(found[1], "\n", " ")
			r := readRun(line, all)
			if first, _, _ := strings.Cut(line, " "); r.command == "" && !groups[first] && first[0] != '-' {
				t.Errorf("%s: `relink %s`: no such command", page, line)
			}
			if at := slices.IndexFunc(all, func(l leaf) bool { return l.name == r.command }); at >= 0 {
				for _, flag := range r.flags {
					known := slices.ContainsFunc(all[at].Flags, func(f cli.Flag) bool { return slices.Contains(f.Names(), strings.TrimLeft(flag, "-")) })
					if !known && !strings.Contains(help.String(), flag+" ") {
						t.Errorf("%s: `relink %s`: %s has no flag %s", page, line, r.command, flag)
					}
				}
			}
		}
	}
}

// What can be printed as JSON is printed by a testscript, which holds it against its schema;
// what fleets print, by internal/fleettest.
func TestEachJSONDocumentIsPrintedByATestscript(t *testing.T) {
	p := newInert(t)
	runs := runsOfScripts(t, p.all)
	for _, one := range p.all {
		if !strings.HasPrefix(one.name, "fleet ") && slices.Contains(p.formats[one.name], "json") && !isRun(call{one.name, []string{"--format"}}, runs) {
			t.Errorf("no testscript prints relink %s --format json", one.name)
		}
	}
}

// The messages in docs/troubleshooting.md, which stand in blocks without a language, are
// relink's own: each holds a text of the source, whose verbs stand for anything.
func TestTroubleshootingQuotesTheManualsProgram(t *testing.T) {
	texts := textsOfTheSource(t)
	quotes := 0
	for _, b := range blocksOf(t, "docs/troubleshooting.md") {
		for i, line := range b.lines {
			if b.info != "" || line == "" {
				continue
			}
			quotes++
			if !slices.ContainsFunc(texts, func(text *regexp.Regexp) bool { return text.MatchString(line) }) {
				t.Errorf("docs/troubleshooting.md:%d: relink says nothing like %q", b.number+i, line)
			}
		}
	}
	if quotes < 20 {
		t.Errorf("only %d quotes", quotes)
	}
}

var (
	verb    = regexp.MustCompile(`%[-+#0-9.]*[a-zA-Z]`)
	literal = regexp.MustCompile("\"(?:[^\"\\\\\n]|\\\\.)*\"|`[^`]*`")
)

// textsOfTheSource are the literals with words enough to be known again.
func textsOfTheSource(t *testing.T) (texts []*regexp.Regexp) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		for _, quoted := range literal.FindAllString(string(source), -1) {
			text, unquoteErr := strconv.Unquote(quoted)
			if fixed := strings.TrimSpace(verb.ReplaceAllString(text, "")); unquoteErr != nil || len(fixed) < 9 || !strings.Contains(fixed, " ") {
				continue
			}
			parts := verb.Split(strings.TrimSpace(text), -1)
			for i := range parts {
				parts[i] = regexp.QuoteMeta(parts[i])
			}
			texts = append(texts, regexp.MustCompile(strings.Join(parts, ".+")))
		}
		return err
	})
	if err != nil || len(texts) < 500 {
		t.Fatalf("%v, %d texts", err, len(texts))
	}
	return texts
}

// Links of the manual lead to files and headings that are there.
func TestLinksOfTheManualLeadSomewhere(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	for _, page := range append(pages(t), "CHANGELOG.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range link.FindAllStringSubmatch(string(text), -1) {
			if strings.Contains(found[1], "://") {
				continue
			}
			file, anchor, _ := strings.Cut(found[1], "#")
			file = filepath.Join(filepath.Dir(page), file)
			if strings.HasPrefix(found[1], "#") {
				file = page
			}
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s: %v", page, err)
			} else if anchor != "" && !slices.Contains(anchorsOf(t, file), anchor) {
				t.Errorf("%s: %s has no heading %s", page, file, anchor)
			}
		}
	}
}

// anchorsOf are the headings of a page as links name them.
func anchorsOf(t *testing.T, page string) (anchors []string) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, heading := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(string(text), -1) {
		name := regexp.MustCompile(`[^\pL\pN _-]`).ReplaceAllString(strings.ToLower(heading[1]), "")
		anchors = append(anchors, strings.ReplaceAll(name, " ", "-"))
	}
	return anchors
}
