package deploy

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"relink/deploy/outcome"
)

// The manual's list of steps is made of Steps.
func TestManualHasTheSteps(t *testing.T) {
	var list strings.Builder
	for _, s := range outcome.Steps {
		list.WriteString(wrapped(fmt.Sprintf("- `%s` (%s): %s.", s.Name, s.Serves, s.Does), 100))
	}
	manual, err := os.ReadFile("../docs/guarantees.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(manual), list.String()) {
		t.Errorf("docs/guarantees.md does not have this list:\n%s", list.String())
	}
}

// wrapped is an entry of a list in lines of at most so many characters.
func wrapped(text string, width int) string {
	var b strings.Builder
	line := 0
	for i, word := range strings.Fields(text) {
		switch n := utf8.RuneCountInString(word); {
		case i == 0:
			line = n
		case line+1+n > width:
			b.WriteString("\n  ")
			line = 2 + n
		default:
			b.WriteByte(' ')
			line += 1 + n
		}
		b.WriteString(word)
	}
	return b.String() + "\n"
}

// Steps lists what the code takes, all of it and nothing else.
func TestStepsAreThoseOfTheCode(t *testing.T) {
	var listed []string
	for _, s := range outcome.Steps {
		listed = append(listed, s.Name)
	}
	taken := stepsTaken(t)
	for _, name := range taken {
		if !slices.Contains(listed, name) {
			t.Errorf("Steps has no %s", name)
		}
	}
	for _, name := range listed {
		if !slices.Contains(taken, name) {
			t.Errorf("no code takes the step %s", name)
		}
	}
}

// stepsTaken finds each take(ctx, s, "name", ...) and s.do(ctx, "name", ...) of this package.
func stepsTaken(t *testing.T) (names []string) {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("%v, %d files", err, len(files))
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(tree, func(node ast.Node) bool {
			call, ok := node.(*ast.CallExpr)
			if !ok || len(call.Args) < 3 {
				return true
			}
			name := call.Args[1]
			if of, ok := call.Fun.(*ast.Ident); ok && of.Name == "take" {
				name = call.Args[2]
			} else if of, ok := call.Fun.(*ast.SelectorExpr); !ok || of.Sel.Name != "do" {
				return true
			}
			if literal, ok := name.(*ast.BasicLit); ok {
				text, _ := strconv.Unquote(literal.Value)
				names = append(names, text)
			}
			return true
		})
	}
	return names
}
