package internal_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const module = "relink"

// floors are the top-level packages of docs/architecture.md, lowest first. A
// package imports packages of lower floors and of its own.
var floors = []string{"internal", "fcgi", "php", "opcache", "deploy", "health", "."}

// reserved names who alone may import what.
var reserved = []struct {
	imports string
	allowed func(file string) bool
	reason  string
}{
	{"github.com/urfave/cli/v2", isCLI, "only internal/cli knows urfave/cli"},
	{module + "/internal/cli", isCommand, "only main.go and command.go know the command line"},
	{"github.com/tomasen/fcgi_client", isFCGI, "only fcgi speaks FastCGI"},
}

// mainOnly are the calls that decide for the whole program. os.Environ, which a
// child's environment is made of, is not among them.
var mainOnly = []string{"os.Getenv", "os.LookupEnv", "os.ExpandEnv", "os.Exit", "log.Fatal", "log.Fatalf", "log.Fatalln"}

// isMain tells of a program's: relink's, and that of relink-etcd, which is a module of its own.
func isMain(file string) bool { return file == "main.go" || file == "deploy/fleet/etcd/main.go" }

func isCommand(file string) bool { return isMain(file) || path.Base(file) == "command.go" }
func isCLI(file string) bool     { return path.Dir(file) == "internal/cli" }
func isFCGI(file string) bool    { return path.Dir(file) == "fcgi" }

// source is what the rules look at in one file, by its path below the module.
type source struct {
	path    string
	imports []string
	calls   []string // functions of other packages, as "os.Exit"
}

// violations lists what breaks the rules.
func violations(files []source) []string {
	var found []string
	for _, file := range files {
		for _, imported := range file.imports {
			if why := forbidden(file.path, imported); why != "" {
				found = append(found, fmt.Sprintf("%s imports %s: %s", file.path, imported, why))
			}
		}
		for _, call := range file.calls {
			if call == module+"/internal/config.Load" && !isCommand(file.path) {
				found = append(found, fmt.Sprintf("%s loads the configuration: only main.go and command.go may; others take its structs", file.path))
			}
			if !isMain(file.path) && slices.Contains(mainOnly, call) {
				found = append(found, fmt.Sprintf("%s uses %s: only main.go may", file.path, call))
			}
		}
	}
	return found
}

func forbidden(file, imported string) string {
	for _, rule := range reserved {
		if imported == rule.imports && !rule.allowed(file) {
			return rule.reason
		}
	}
	target, ok := strings.CutPrefix(imported, module+"/")
	if !ok {
		return ""
	}
	from, to := floorOf(path.Dir(file)), floorOf(target)
	switch {
	case from < 0:
		return "its own package has no floor"
	case to < 0:
		return "the imported package has no floor"
	case to > from:
		return "it is on a higher floor"
	}
	return ""
}

// floorOf gives the floor of a package by its first folder, -1 for none.
func floorOf(folder string) int {
	top, _, _ := strings.Cut(folder, "/")
	return slices.Index(floors, top)
}

func TestLayering(t *testing.T) {
	files := readModule(t, "..")
	if len(files) == 0 {
		t.Fatal("no Go files found")
	}
	for _, violation := range violations(files) {
		t.Error(violation)
	}
}

// readModule reads the Go files below root that are no tests.
func readModule(t *testing.T, root string) []source {
	t.Helper()
	var files []source
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		switch base := entry.Name(); {
		case err != nil:
			return err
		case entry.IsDir() && name != root && (base == "testdata" || strings.HasPrefix(base, ".")):
			return filepath.SkipDir
		case entry.IsDir() || filepath.Ext(base) != ".go" || strings.HasSuffix(base, "_test.go"):
			return nil
		}
		tree, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		below, err := filepath.Rel(root, name)
		files = append(files, inspect(filepath.ToSlash(below), tree))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func inspect(name string, tree *ast.File) source {
	file := source{path: name}
	packages := map[string]string{}
	for _, spec := range tree.Imports {
		imported, _ := strconv.Unquote(spec.Path.Value)
		file.imports = append(file.imports, imported)
		local := path.Base(imported)
		if spec.Name != nil {
			local = spec.Name.Name
		}
		packages[local] = imported
	}
	ast.Inspect(tree, func(node ast.Node) bool {
		if selector, ok := node.(*ast.SelectorExpr); ok {
			if x, ok := selector.X.(*ast.Ident); ok && packages[x.Name] != "" {
				file.calls = append(file.calls, packages[x.Name]+"."+selector.Sel.Name)
			}
		}
		return true
	})
	return file
}

// The rules can fail: each of these breaks one, and the good ones break none.
func TestViolations(t *testing.T) {
	const cli, config, client = "github.com/urfave/cli/v2", "relink/internal/config", "github.com/tomasen/fcgi_client"
	good := []source{
		{"main.go", []string{"os", config, "relink/health", "relink/internal/ui"}, []string{"os.Getenv", "os.Exit"}},
		{"health/command.go", []string{"relink/internal/cli", config, "relink/deploy"}, nil},
		{"deploy/deploy.go", []string{"relink/deploy/release", "relink/opcache", "relink/fcgi"}, []string{"os.Environ"}},
		{"deploy/demo/demo.go", []string{"relink/deploy", "relink/internal/sandbox"}, nil},
		{"internal/sandbox/load/load.go", []string{"relink/internal/sandbox"}, nil},
		{"internal/cli/env.go", []string{cli}, nil},
		{"internal/ui/error.go", []string{"relink/internal/hint"}, nil},
		{"fcgi/dial.go", []string{client}, nil},
	}
	if got := violations(good); got != nil {
		t.Errorf("good files are refused: %v", got)
	}
	bad := []source{
		{"internal/ui/error.go", []string{"relink/fcgi"}, nil},
		{"fcgi/fcgi.go", []string{"relink/php"}, nil},
		{"internal/sandbox/fpm.go", []string{"relink/opcache"}, nil},
		{"opcache/warm.go", []string{"relink/deploy/release"}, nil},
		{"deploy/source/git.go", []string{"relink/health"}, nil},
		{"extra/extra.go", []string{"relink/fcgi"}, nil},
		{"health/checks.go", []string{"relink/extra"}, nil},
		{"deploy/deploy.go", []string{cli}, nil},
		{"deploy/command.go", []string{cli}, nil},
		{"deploy/deploy.go", []string{"relink/internal/cli"}, nil},
		{"opcache/connect.go", []string{config}, []string{config + ".Load"}},
		{"php/agent.go", []string{client}, nil},
		{"deploy/command.go", []string{"os"}, []string{"os.Getenv"}},
		{"health/serve.go", []string{"os"}, []string{"os.Exit"}},
	}
	for _, file := range bad {
		if got := violations([]source{file}); len(got) != 1 {
			t.Errorf("%+v gives %v", file, got)
		}
	}
}

func TestInspect(t *testing.T) {
	const text = `package x
import ( "fmt"; sys "os"; "relink/fcgi" )
func f(os fmt.Stringer) { sys.Exit(1); os.String(); fcgi.Call() }`
	tree, err := parser.ParseFile(token.NewFileSet(), "x.go", text, 0)
	if err != nil {
		t.Fatal(err)
	}
	want := source{"x/x.go", []string{"fmt", "os", "relink/fcgi"}, []string{"fmt.Stringer", "os.Exit", "relink/fcgi.Call"}}
	if diff := cmp.Diff(want, inspect("x/x.go", tree), cmp.AllowUnexported(source{})); diff != "" {
		t.Error(diff)
	}
}
