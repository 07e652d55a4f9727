package webserver

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// nginxConf is what "nginx -T" prints, with the includes put in their places.
type nginxConf struct{ directives []directive }

// mostDirectives bounds what includes of includes can make of small files.
const mostDirectives = 500_000

var (
	errNoFile = errors.New("nginx -T prints no configuration file")
	errLong   = fmt.Errorf("its configuration has more than %d directives", mostDirectives)
)

const fileHeader = "# configuration file "

func parseNginx(printed []byte) (nginxConf, error) {
	r := nginxReader{files: map[string][]byte{}, open: map[string]bool{}}
	first := r.split(printed)
	if first == "" {
		return nginxConf{}, errNoFile
	}
	r.dir = filepath.Dir(first)
	list, err := r.read(first, 0)
	return nginxConf{list}, err
}

type nginxReader struct {
	dir   string // of the main file: includes are relative to it
	files map[string][]byte
	names []string // sorted, as nginx includes what a pattern matches
	open  map[string]bool
	count int
}

// split parts the output into files and names the main one, which comes first.
func (r *nginxReader) split(printed []byte) (first string) {
	current := ""
	for line := range bytes.Lines(printed) {
		name, ok := strings.CutPrefix(string(line), fileHeader)
		if ok && strings.HasSuffix(name, ":\n") {
			current = strings.TrimSuffix(name, ":\n")
			if first == "" {
				first = current
			}
			r.names = append(r.names, current)
			continue
		}
		if current != "" {
			r.files[current] = append(r.files[current], line...)
		}
	}
	slices.Sort(r.names)
	return first
}

func (r *nginxReader) read(file string, depth int) ([]directive, error) {
	if r.open[file] {
		return nil, errNesting // nginx itself would not come to an end
	}
	r.open[file] = true
	defer delete(r.open, file)
	lexer := nginxLexer{text: r.files[file], line: 1}
	list, err := r.block(&lexer, file, depth, true)
	if err != nil {
		return nil, fmt.Errorf("%s:%d: %w", file, lexer.line, err)
	}
	return list, nil
}

var errSyntax = errors.New("this is not nginx's syntax")

// block reads directives to the end of the file or of the block.
func (r *nginxReader) block(l *nginxLexer, file string, depth int, whole bool) (list []directive, err error) {
	if depth > mostDepth {
		return nil, errNesting
	}
	for {
		words, end, line := l.statement()
		switch {
		case end == 0 && len(words) == 0 && whole, end == '}' && len(words) == 0 && !whole:
			return list, nil
		case len(words) == 0 || end == 0 || end == '}':
			return nil, errSyntax
		}
		if r.count++; r.count > mostDirectives {
			return nil, errLong
		}
		d := directive{name: words[0], args: words[1:], file: file, line: line}
		switch {
		case end == '{' && strings.HasSuffix(d.name, "_by_lua_block"):
			l.skipBlock()
		case end == '{':
			if d.children, err = r.block(l, file, depth+1, false); err != nil {
				return nil, err
			}
		case d.name == "include":
			included, err := r.include(d.arg(0), depth)
			if err != nil {
				return nil, err
			}
			list = append(list, included...)
			continue
		}
		list = append(list, d)
	}
}

// include reads what nginx has found by that pattern, in its order.
func (r *nginxReader) include(pattern string, depth int) (list []directive, err error) {
	if !filepath.IsAbs(pattern) {
		pattern = filepath.Join(r.dir, pattern)
	}
	for _, name := range r.names {
		if matched, err := path.Match(pattern, name); name != pattern && (err != nil || !matched) {
			continue
		}
		included, err := r.read(name, depth+1)
		if err != nil {
			return nil, err
		}
		list = append(list, included...)
	}
	return list, nil
}

// nginxLexer splits text into words as ngx_conf_read_token does.
type nginxLexer struct {
	text []byte
	at   int
	line int
}

func (l *nginxLexer) next() (c byte, ok bool) {
	if l.at == len(l.text) {
		return 0, false
	}
	c = l.text[l.at]
	l.at++
	if c == '\n' {
		l.line++
	}
	return c, true
}

// statement reads to the next ";", "{" or "}", or to the end, which is 0.
func (l *nginxLexer) statement() (words []string, end byte, line int) {
	for {
		c, ok := l.next()
		switch {
		case !ok:
			return words, 0, l.line
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			continue
		case c == '#':
			l.skipLine()
			continue
		}
		if line == 0 {
			line = l.line
		}
		if c == ';' || c == '{' || c == '}' {
			return words, c, line
		}
		words = append(words, l.word(c))
	}
}

func (l *nginxLexer) skipLine() {
	for c, ok := l.next(); ok && c != '\n'; c, ok = l.next() {
	}
}

// skipBlock passes a block of Lua, which is no configuration.
func (l *nginxLexer) skipBlock() {
	for open := 1; open > 0; {
		switch c, ok := l.next(); {
		case !ok:
			return
		case c == '{':
			open++
		case c == '}':
			open--
		}
	}
}

// word reads one that begins with c. "${name}" does not begin a block.
func (l *nginxLexer) word(c byte) string {
	var word []byte
	quote := byte(0)
	if c == '"' || c == '\'' {
		quote = c
	} else {
		l.back(c)
	}
	for {
		c, ok := l.next()
		switch {
		case !ok, quote != 0 && c == quote:
			return string(word)
		case c == '\\':
			word = append(word, l.escaped()...)
		case quote == 0 && c == '{' && len(word) > 0 && word[len(word)-1] == '$':
			word = l.variable(append(word, c))
		case quote == 0 && strings.IndexByte(" \t\r\n;{", c) >= 0:
			l.back(c)
			return string(word)
		default:
			word = append(word, c)
		}
	}
}

func (l *nginxLexer) back(c byte) {
	l.at--
	if c == '\n' {
		l.line--
	}
}

// escaped drops the backslash before a quote or itself, and keeps it elsewhere:
// it belongs to a regular expression then.
func (l *nginxLexer) escaped() []byte {
	c, ok := l.next()
	switch {
	case !ok:
		return []byte{'\\'}
	case c == '"' || c == '\'' || c == '\\':
		return []byte{c}
	}
	return []byte{'\\', c}
}

func (l *nginxLexer) variable(word []byte) []byte {
	for {
		c, ok := l.next()
		if !ok {
			return word
		}
		if word = append(word, c); c == '}' {
			return word
		}
	}
}
