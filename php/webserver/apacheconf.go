package webserver

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// directive is one of a configuration, with what a section holds.
type directive struct {
	name     string // in lower case; Apache's sections are like others
	args     []string
	file     string
	line     int
	children []directive
}

func (d directive) arg(i int) string {
	if i < len(d.args) {
		return d.args[i]
	}
	return ""
}

func (d directive) from() string { return fmt.Sprintf("%s:%d", d.file, d.line) } // of a macro: file:use:line

func named(list []directive, name string) []directive {
	return slices.DeleteFunc(slices.Clone(list), func(d directive) bool { return d.name != name })
}

// last is the first argument of the directive that wins among those of a name.
func last(list []directive, name string) (value string, found bool) {
	for _, d := range named(list, name) {
		value, found = d.arg(0), true
	}
	return value, found
}

// apacheConf is what "-D DUMP_CONFIG -D DUMP_RUN_CFG" prints.
type apacheConf struct {
	directives   []directive
	serverRoot   string
	documentRoot string // of the main server
}

const mostDepth = 64

var errNesting = errors.New("its sections are nested in a way that cannot be")

// parseApache reads one directive a line, each below a comment that tells its
// line (mod_info.c, mod_info_show_cmd in the output form for a terminal).
func parseApache(printed []byte) (apacheConf, error) {
	var conf apacheConf
	open := []*directive{{}}
	at := directive{}
	for line := range strings.Lines(string(printed)) {
		line = strings.TrimSpace(line)
		switch {
		case line == "":
		case line[0] == '#':
			at.locate(line)
		case strings.HasPrefix(line, "</"):
			if len(open) == 1 {
				return conf, errNesting
			}
			top := open[len(open)-1]
			open = open[:len(open)-1]
			parent := open[len(open)-1]
			parent.children = append(parent.children, *top)
		case line[0] == '<':
			if len(open) == mostDepth {
				return conf, errNesting
			}
			section := at.saying(strings.TrimSuffix(line[1:], ">"))
			open = append(open, &section)
		case !conf.fact(line):
			parent := open[len(open)-1]
			parent.children = append(parent.children, at.saying(line))
		}
	}
	if len(open) != 1 {
		return conf, errNesting
	}
	conf.directives = open[0].children
	return conf, nil
}

// locate reads "# In file: /etc/apache2/apache2.conf" and "#  87:".
func (d *directive) locate(comment string) {
	comment = strings.TrimSpace(comment[1:])
	if file, ok := strings.CutPrefix(comment, "In file: "); ok {
		d.file = file
		if used := macroUse.FindStringSubmatch(file); used != nil {
			d.file = used[2] + ":" + used[1]
		}
		return
	}
	if n, err := strconv.Atoi(strings.TrimSuffix(comment, ":")); err == nil {
		d.line = n
	}
}

// macroUse is how mod_macro names what a macro writes; its own place tells a
// person less than that of its use.
var macroUse = regexp.MustCompile(`^macro '.*' \(.*\) used on line (\d+) of "([^"]*)"$`)

// saying is the directive of a line at d's place.
func (d directive) saying(line string) directive {
	name, rest, _ := strings.Cut(line, " ")
	d.name, d.args = strings.ToLower(name), splitWords(rest)
	return d
}

// fact reads a line of DUMP_RUN_CFG; no directive has a colon at its name's end.
func (c *apacheConf) fact(line string) bool {
	key, value, ok := strings.Cut(line, ": ")
	if !ok {
		return false
	}
	switch value = strings.Trim(value, `"`); key {
	case "ServerRoot":
		c.serverRoot = value
	case "Main DocumentRoot":
		c.documentRoot = value
	case "Main ErrorLog", "PidFile", "Define", "User", "Group":
	default:
		return strings.HasPrefix(key, "Mutex ")
	}
	return true
}

var (
	wordForm = regexp.MustCompile(`"((?:\\["\\]|[^"])*)"?|'((?:\\['\\]|[^'])*)'?|([^ \t]+)`)
	doubled  = strings.NewReplacer(`\\`, `\`, `\"`, `"`)
	singled  = strings.NewReplacer(`\\`, `\`, `\'`, `'`)
)

// splitWords splits as ap_getword_conf does: quotes begin and end a word, and in them
// a backslash counts before the quote and itself only.
func splitWords(line string) (list []string) {
	for _, found := range wordForm.FindAllStringSubmatch(line, -1) {
		list = append(list, doubled.Replace(found[1])+singled.Replace(found[2])+found[3])
	}
	return list
}
