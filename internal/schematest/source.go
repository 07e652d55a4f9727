package schematest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
)

// source is what the Go source says of types: the comments on them and on their fields, and
// the constants of those that are texts.
type source struct{ packages map[string]*read }

type read struct {
	comments map[string]string // by "Type" and "Type.Field"
	values   map[string][]any  // by type
}

// comment is what stands at a type, or at a field of it. JSON says null for nil, and names
// fields otherwise than Go.
func (s *source) comment(t reflect.Type, field string) string {
	if field == "" {
		return forJSON(s.of(t).comments[t.Name()], t)
	}
	return forJSON(s.of(t).comments[t.Name()+"."+field], t)
}

var word = regexp.MustCompile(`[A-Za-z]+`)

func forJSON(comment string, t reflect.Type) string {
	return word.ReplaceAllStringFunc(comment, func(w string) string {
		if w == "nil" {
			return "null"
		}
		field, ok := t.FieldByName(w)
		if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); ok && name != "" {
			return name
		}
		return w
	})
}

// constants are those of a type, in their order; nil where it is any text.
func (s *source) constants(t reflect.Type) []any {
	if t.PkgPath() == "" {
		return nil
	}
	return s.of(t).values[t.Name()]
}

func (s *source) of(t reflect.Type) *read {
	if known := s.packages[t.PkgPath()]; known != nil {
		return known
	}
	r := &read{comments: map[string]string{}, values: map[string][]any{}}
	if s.packages == nil {
		s.packages = map[string]*read{}
	}
	s.packages[t.PkgPath()] = r
	_, below, _ := strings.Cut(t.PkgPath(), "/")
	files, _ := filepath.Glob(filepath.Join(root(), below, "*.go"))
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			panic(err)
		}
		for _, decl := range tree.Decls {
			if group, ok := decl.(*ast.GenDecl); ok {
				r.group(group)
			}
		}
	}
	return r
}

func (r *read) group(group *ast.GenDecl) {
	for _, spec := range group.Specs {
		switch one := spec.(type) {
		case *ast.TypeSpec:
			r.comments[one.Name.Name] = sentence(one.Doc, group.Doc)
			if of, ok := one.Type.(*ast.StructType); ok {
				r.fields(one.Name.Name, of)
			}
		case *ast.ValueSpec:
			of, typed := one.Type.(*ast.Ident)
			for _, value := range one.Values {
				if text, ok := value.(*ast.BasicLit); ok && typed && text.Kind == token.STRING && group.Tok == token.CONST {
					plain, _ := strconv.Unquote(text.Value)
					r.values[of.Name] = append(r.values[of.Name], plain)
				}
			}
		}
	}
}

func (r *read) fields(of string, s *ast.StructType) {
	for _, field := range s.Fields.List {
		for _, name := range field.Names {
			r.comments[of+"."+name.Name] = sentence(field.Doc, field.Comment)
		}
	}
}

// sentence is the text of comments, in one line.
func sentence(comments ...*ast.CommentGroup) string {
	var all []string
	for _, one := range comments {
		all = append(all, strings.Fields(one.Text())...)
	}
	return strings.Join(all, " ")
}
