package webserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// nginxSites has nginx print the files of its configuration ("-T").
func (s server) nginxSites(ctx context.Context) ([]Site, error) {
	args, file, err := nginxArgs(s.args)
	if err != nil {
		return nil, err
	}
	printed, err := s.print(ctx, file, append(args, "-T"))
	if err != nil {
		return nil, err
	}
	all, err := parseNginx(printed)
	if err != nil {
		return nil, err
	}
	return nginxServers(all, s.pid), nil
}

// nginxArgs keeps -c and -p of a command line. The directives of -g are about
// the process; their quotes are lost in the title.
func nginxArgs(line []string) (args []string, file string, err error) {
	prefix := ""
	for _, o := range options(line, "cp") {
		if o.name == "-c" {
			file = o.value
		} else {
			prefix = o.value
		}
	}
	return configured(nil, option{"-p", prefix}, option{"-c", file})
}

// mostDirectives bounds what includes of includes can make of small files.
const mostDirectives = 500_000

const fileHeader = "# configuration file "

// parseNginx reads what "nginx -T" prints, and puts the includes in their places.
func parseNginx(printed []byte) ([]directive, error) {
	r := nginxReader{files: map[string][]byte{}, open: map[string]bool{}}
	first := r.split(printed)
	if first == "" {
		return nil, errors.New("nginx -T prints no configuration file")
	}
	r.dir = filepath.Dir(first)
	return r.read(first, 0)
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
			return nil, errors.New("this is not nginx's syntax")
		}
		if r.count++; r.count > mostDirectives {
			return nil, fmt.Errorf("its configuration has more than %d directives", mostDirectives)
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

// nginxLexer splits text into statements as ngx_conf_read_token does.
type nginxLexer struct {
	text []byte // that is left
	line int
}

// statement reads to the next ";", "{" or "}", or to the end, which is 0.
func (l *nginxLexer) statement() (words []string, end byte, line int) {
	for {
		l.pass(len(l.text) - len(bytes.TrimLeft(l.text, " \t\r\n")))
		if len(l.text) == 0 {
			return words, 0, l.line
		}
		c := l.text[0]
		if c == '#' {
			comment, _, _ := bytes.Cut(l.text, []byte("\n"))
			l.pass(len(comment))
			continue
		}
		if line == 0 {
			line = l.line
		}
		if c == ';' || c == '{' || c == '}' {
			l.pass(1)
			return words, c, line
		}
		words = append(words, l.word())
	}
}

// word reads one that is quoted or not. "${name}" does not begin a block.
func (l *nginxLexer) word() string {
	var word []byte
	text, i, ends := l.text, 0, " \t\r\n;{"
	quoted := text[0] == '"' || text[0] == '\''
	if quoted {
		i, ends = 1, string(text[:1])
	}
	for ; i < len(text) && strings.IndexByte(ends, text[i]) < 0; i++ {
		switch {
		case text[i] == '\\' && i+1 < len(text):
			// It is dropped before a quote or itself. Elsewhere it belongs to a regular expression.
			if i++; strings.IndexByte(`"'\`, text[i]) < 0 {
				word = append(word, '\\')
			}
		case !quoted && bytes.HasPrefix(text[i:], []byte("${")):
			name, _, _ := bytes.Cut(text[i:], []byte("}"))
			name = name[:min(len(name), len(text)-i-1)]
			word, i = append(word, name...), i+len(name)
		}
		word = append(word, text[i])
	}
	if quoted {
		i++
	}
	l.pass(min(i, len(text)))
	return string(word)
}

func (l *nginxLexer) pass(n int) {
	l.line += bytes.Count(l.text[:n], []byte("\n"))
	l.text = l.text[n:]
}

// skipBlock passes a block of Lua, which is no configuration.
func (l *nginxLexer) skipBlock() {
	for open := 1; open > 0; {
		at := bytes.IndexAny(l.text, "{}")
		switch {
		case at < 0:
			l.pass(len(l.text))
			return
		case l.text[at] == '{':
			open++
		default:
			open--
		}
		l.pass(at + 1)
	}
}
