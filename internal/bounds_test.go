package internal_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strings"
	"testing"
)

// ownServers are what tests and the demo run on servers that they have started.
var ownServers = []string{"internal/sandbox", "internal/sandbox/app", "internal/sandbox/load", "internal/browsertest", "deploy/demo", "deploy/demo/compare", "deploy/demo/program", "deploy/source/sourcetest"}

// TestEveryReadHasABound: what a program, a visitor or another user has written is
// read up to a bound.
func TestEveryReadHasABound(t *testing.T) {
	for folder, files := range parsePackages(t, "..") {
		if slices.Contains(ownServers, folder) {
			continue
		}
		for _, file := range files {
			for _, call := range unboundedReads(file.tree) {
				t.Errorf("%s/%s:%d: %s", folder, file.name, file.set.Position(call.at).Line, call.why)
			}
		}
	}
}

type unboundedRead struct {
	at  token.Pos
	why string
}

func unboundedReads(tree *ast.File) (found []unboundedRead) {
	ast.Inspect(tree, func(node ast.Node) bool {
		call, is := node.(*ast.CallExpr)
		if !is {
			return true
		}
		selector, is := call.Fun.(*ast.SelectorExpr)
		if !is {
			return true
		}
		if why := boundless(selector, call.Args); why != "" {
			found = append(found, unboundedRead{call.Pos(), why})
		}
		return true
	})
	return found
}

// boundless tells why a call has no bound.
func boundless(selector *ast.SelectorExpr, args []ast.Expr) string {
	from, _ := selector.X.(*ast.Ident)
	name := selector.Sel.Name
	switch {
	case from != nil && (from.Name == "os" || from.Name == "fs") && name == "ReadFile":
		return "reads a whole file: internal/bounded has a bound"
	case from != nil && from.Name == "io" && name == "ReadAll" && !limited(args[0]):
		return "reads all: give it an io.LimitReader or io.NewSectionReader there"
	case (name == "Output" || name == "CombinedOutput") && len(args) == 0:
		return "takes all that a program prints: internal/proc has a bound"
	case name == "ParentWithContext" || from != nil && from.Name == "process" && (strings.HasPrefix(name, "NewProcess") || strings.HasPrefix(name, "Processes")):
		return "opens a pidfd of each process and does not close it: proc.Of and proc.All open none"
	case name == "OpenRoot" && (from == nil || from.Name != "tree") && !onlyFolders(args[0]):
		return "waits where a FIFO lies in the folder's place: tree.OpenRoot and tree.OpenRootIn do not"
	case name == "NameWithContext" || strings.HasPrefix(name, "Cmdline") || name == "EnvironWithContext":
		return "a process may call any part of its memory its command line: proc.Title and proc.Name have bounds"
	}
	return ""
}

func limited(reader ast.Expr) bool {
	call, is := reader.(*ast.CallExpr)
	if !is {
		return false
	}
	selector, is := call.Fun.(*ast.SelectorExpr)
	return is && (selector.Sel.Name == "LimitReader" || selector.Sel.Name == "NewSectionReader")
}

// onlyFolders is a path with "/." behind it.
func onlyFolders(path ast.Expr) bool {
	sum, is := path.(*ast.BinaryExpr)
	if !is {
		return false
	}
	end, is := sum.Y.(*ast.BasicLit)
	return is && end.Value == `"/."`
}

// The rule can fail.
func TestUnboundedReads(t *testing.T) {
	for line, want := range map[string]int{
		`os.ReadFile("x")`:                        1,
		`fs.ReadFile(root, "x")`:                  1,
		`io.ReadAll(response.Body)`:               1,
		`io.ReadAll(io.LimitReader(file, most))`:  0,
		`exec.Command("x").Output()`:              1,
		`cmd.CombinedOutput()`:                    1,
		`proc.Output(ctx, command)`:               0,
		`p.CmdlineWithContext(ctx)`:               1,
		`p.NameWithContext(ctx)`:                  1,
		`process.NewProcessWithContext(ctx, pid)`: 1,
		`bounded.File("x", 7)`:                    0,
		`os.OpenRoot(dir)`:                        1,
		`s.root.OpenRoot("x")`:                    1,
		`os.OpenRoot(dir + "/.")`:                 0,
		`tree.OpenRoot(dir)`:                      0,
	} {
		tree, err := parser.ParseFile(token.NewFileSet(), "x.go", fmt.Sprintf("package x\nfunc f() { %s }", line), 0)
		if err != nil {
			t.Fatal(err)
		}
		if found := unboundedReads(tree); len(found) != want {
			t.Errorf("%s: %d", line, len(found))
		}
	}
}
