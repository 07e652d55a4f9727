package internal_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A name means one thing in a package: neither a reader nor a tool has to find out
// whether "pending" is the type or a variable here.
func TestNoPackageLevelNameIsShadowed(t *testing.T) {
	for folder, files := range parsePackages(t, "..") {
		for _, shadow := range shadows(files) {
			t.Errorf("%s/%s", folder, shadow)
		}
	}
}

// parsedFile is one file of a package.
type parsedFile struct {
	name string
	set  *token.FileSet
	tree *ast.File
}

// parsePackages reads the Go files below root that are no tests, by their folder.
func parsePackages(t *testing.T, root string) map[string][]parsedFile {
	t.Helper()
	packages := map[string][]parsedFile{}
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		switch base := entry.Name(); {
		case err != nil:
			return err
		case entry.IsDir() && name != root && (base == "testdata" || strings.HasPrefix(base, ".")):
			return filepath.SkipDir
		case entry.IsDir() || filepath.Ext(base) != ".go" || strings.HasSuffix(base, "_test.go"):
			return nil
		}
		set := token.NewFileSet()
		tree, err := parser.ParseFile(set, name, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		below, err := filepath.Rel(root, name)
		folder := path.Dir(filepath.ToSlash(below))
		packages[folder] = append(packages[folder], parsedFile{entry.Name(), set, tree})
		return err
	})
	if err != nil || len(packages) == 0 {
		t.Fatal(len(packages), err)
	}
	return packages
}

// shadows lists the local names of a package that are also names of its own, as
// "file.go:12: name".
func shadows(files []parsedFile) []string {
	names := map[string]bool{}
	for _, file := range files {
		for _, declaration := range file.tree.Decls {
			for _, name := range declared(declaration) {
				names[name.Name] = true
			}
		}
	}
	delete(names, "_")
	delete(names, "init")
	delete(names, "main")
	var found []string
	for _, file := range files {
		for _, name := range locals(file.tree) {
			if names[name.Name] {
				found = append(found, fmt.Sprintf("%s:%d: %s", file.name, file.set.Position(name.Pos()).Line, name.Name))
			}
		}
	}
	return found
}

// declared are the names that a declaration makes, of the package or, for one in a
// function, of that function. Methods are names of their type.
func declared(declaration ast.Decl) []*ast.Ident {
	switch d := declaration.(type) {
	case *ast.FuncDecl:
		if d.Recv == nil {
			return []*ast.Ident{d.Name}
		}
	case *ast.GenDecl:
		var names []*ast.Ident
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.ValueSpec:
				names = append(names, s.Names...)
			case *ast.TypeSpec:
				names = append(names, s.Name)
			}
		}
		return names
	}
	return nil
}

// locals are the names that the functions of a file make: their receivers,
// parameters and results, and what is declared in them.
func locals(tree *ast.File) []*ast.Ident {
	var names []*ast.Ident
	expressions := func(all ...ast.Expr) {
		for _, one := range all {
			if name, ok := one.(*ast.Ident); ok {
				names = append(names, name)
			}
		}
	}
	fields := func(lists ...*ast.FieldList) {
		for _, list := range lists {
			if list == nil {
				continue
			}
			for _, field := range list.List {
				names = append(names, field.Names...)
			}
		}
	}
	for _, declaration := range tree.Decls {
		ast.Inspect(declaration, func(node ast.Node) bool {
			switch n := node.(type) {
			case *ast.FuncDecl:
				fields(n.Recv, n.Type.TypeParams, n.Type.Params, n.Type.Results)
			case *ast.FuncLit:
				fields(n.Type.Params, n.Type.Results)
			case *ast.AssignStmt:
				if n.Tok == token.DEFINE {
					expressions(n.Lhs...)
				}
			case *ast.RangeStmt:
				if n.Tok == token.DEFINE {
					expressions(n.Key, n.Value)
				}
			case *ast.DeclStmt:
				names = append(names, declared(n.Decl)...)
			}
			return true
		})
	}
	return names
}

// The rule can fail: each kind of local name is found, and what only looks like one
// is not.
func TestShadows(t *testing.T) {
	const own = `package x
type shape struct{ size int }
var limit, other = 1, 2
const most = 3
func area(s shape) int { return s.size }
func (s shape) name() int { return limit }
`
	const text = `package x
func (limit shape) a() {}
func b(shape int) (most int) { return }
func c[area any]() { other := func(limit int) {}; _ = other }
func d() {
	for most, area := range []int{} { _, _ = most, area }
	var limit int
	const other = 1
	type shape int
	switch most := any(limit).(type) { case int: _ = most }
}
func good() (size int, name string) {
	name = "x"
	limit = 2
	b := shape{size: size}
	for limit = range 3 { size += b.size }
	return
}
`
	var files []parsedFile
	for i, content := range []string{own, text} {
		set := token.NewFileSet()
		name := fmt.Sprintf("%d.go", i)
		tree, err := parser.ParseFile(set, name, content, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, parsedFile{name, set, tree})
	}
	want := []string{"1.go:2: limit", "1.go:3: shape", "1.go:3: most", "1.go:4: area", "1.go:4: other", "1.go:4: limit",
		"1.go:6: most", "1.go:6: area", "1.go:7: limit", "1.go:8: other", "1.go:9: shape", "1.go:10: most", "1.go:15: b"}
	if diff := cmp.Diff(want, shadows(files)); diff != "" {
		t.Error(diff)
	}
}
