package config

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"relink/internal/hint"
	"relink/internal/trust"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// maxSize is room for some thousands of sites, and a bound where the path
// names something else by mistake, such as a log or a device.
const maxSize = 1 << 20

// Load reads and checks the configuration file. Its error, if the content is
// wrong, joins one *Problem for each mistake; every error is ErrInvalid. Checks are
// the names that health.skip may hold; none given, it may hold any. A file of more than
// 1 MiB is refused.
func Load(path string, checks ...string) (*Config, error) {
	data, private, err := readFile(path)
	if err != nil {
		return nil, err
	}
	c, err := Parse(path, data, checks...)
	if err != nil && private && !hasKey(data) {
		return nil, hint.With(invalidf("%s is no configuration: none of its lines begins with a key of one", path),
			"name the right file with --config; what is in this one is not shown, because not everybody may read it")
	}
	if err != nil {
		return nil, err
	}
	return c, trusted(c)
}

// hasKey tells whether a line begins with a key that a configuration has. Mistakes are
// shown with their lines: those of /etc/shadow are not for whom sudo lets run relink
// with a --config of his choice.
func hasKey(data []byte) bool {
	for line := range bytes.Lines(data) {
		name, _, is := bytes.Cut(line, []byte(":"))
		for f := range reflect.TypeFor[Config]().Fields() {
			if key, ok := f.Tag.Lookup("key"); ok && is && key == string(name) {
				return true
			}
		}
	}
	return false
}

// readFile tells also whether there is somebody who may not read the file.
func readFile(path string) (data []byte, private bool, err error) {
	f, err := trust.OpenForRoot(path)
	if errors.Is(err, trust.ErrOthers) {
		return nil, false, notRoots("configuration", path, err)
	}
	if err != nil {
		return nil, false, unreadable(path, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil {
		data, err = io.ReadAll(io.LimitReader(f, maxSize+1))
	}
	if err != nil {
		return nil, false, unreadable(path, err)
	}
	if len(data) > maxSize {
		return nil, false, hint.With(invalidf("configuration %s is larger than 1 MiB", path), "name the right file with --config")
	}
	return data, info.Mode()&0o004 == 0, nil
}

func unreadable(path string, err error) error {
	reason := err
	if pathError := (*fs.PathError)(nil); errors.As(err, &pathError) {
		reason = pathError.Err
	}
	wrapped := invalidf("read configuration %s: %w", path, reason)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return hint.With(wrapped, `name the file with --config or in RELINK_CONFIG, or run "relink demo" to try relink without one`)
	case errors.Is(err, fs.ErrPermission):
		return hint.With(wrapped, "run relink as a user that may read it, or name another file with --config")
	}
	return hint.With(wrapped, "name a readable file with --config or in RELINK_CONFIG")
}

// Parse checks the content of a configuration file; path names it in messages.
// It reads from disk only what instances_from asks for. Checks are as for Load.
func Parse(path string, data []byte, checks ...string) (*Config, error) {
	text := strings.TrimPrefix(string(data), "\ufeff")
	lines := strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	r := &reader{&file{path: path, lines: lines, at: map[string]token.Position{}, excused: map[string]bool{}}, map[string]ast.Node{}}
	c := &Config{Path: path}
	whole := reflect.ValueOf(c).Elem()
	preset(whole)
	if body := r.document(text); body != nil {
		keyed(whole, "").read(r, node{yaml: body})
	}
	for i := range c.Apps {
		r.find(&c.Apps[i])
	}
	c.fill()
	(&validator{r.file, c, checks}).all()
	if err := r.err(); err != nil {
		return nil, err
	}
	return c, nil
}

// document is the YAML of the file, or nil if it is empty or cannot be read.
func (r *reader) document(text string) ast.Node {
	for _, refused := range []struct {
		line func(string) bool
		why  string
	}{{notText, "is not UTF-8 text"}, {separator(), "a document ends or another one begins here; the file must hold one"}} {
		if i := slices.IndexFunc(r.lines, refused.line); i >= 0 {
			r.wrongAt(token.Position{Line: i + 1, Column: 1}, "", "%s", refused.why)
			return nil
		}
	}
	parsed, err := parser.ParseBytes([]byte(text), 0, parser.AllowDuplicateMapKey())
	if err != nil {
		r.syntax(err)
		return nil
	}
	var body ast.Node
	for _, d := range parsed.Docs {
		if body != nil && d.Body != nil {
			r.wrongAt(start(d.Body), "", "a second document begins here; the file must hold one")
			return nil
		}
		if d.Body != nil {
			body = d.Body
		}
	}
	if body != nil {
		ast.Walk(r, body)
	}
	return body
}

// separator finds a document marker past the first. goccy drops, in silence,
// what stands between and behind two markers in a row.
func separator() func(line string) bool {
	begun := false
	return func(line string) bool {
		marker, _, _ := strings.Cut(strings.ReplaceAll(line, "\t", " "), " ")
		again := marker == "..." || marker == "---" && begun
		begun = begun || marker == "---"
		return again
	}
}

func notText(text string) bool { return !utf8.ValidString(text) || strings.ContainsRune(text, 0) }

func (r *reader) syntax(err error) {
	var at token.Position
	text := err.Error()
	if syntax := (*yaml.SyntaxError)(nil); errors.As(err, &syntax) {
		text = syntax.Message
		if syntax.Token != nil && syntax.Token.Position != nil {
			at = *syntax.Token.Position
		}
	}
	if strings.Contains(text, "\t") {
		text = strings.ReplaceAll(text, "\t", "tab") + "; indent with spaces"
	}
	r.wrongAt(at, "", "not YAML: %s", text)
}

// Visit collects the anchors and refuses what would make them ambiguous.
func (r *reader) Visit(n ast.Node) ast.Visitor {
	if anchor, ok := n.(*ast.AnchorNode); ok {
		name := anchor.Name.GetToken()
		if r.anchors[name.Value] != nil {
			r.wrongAt(*name.Position, "", "a second anchor has the name &%s", name.Value)
		}
		r.anchors[name.Value] = anchor.Value
	}
	return r
}
