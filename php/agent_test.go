package php

import (
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The agent's table and the constants name the same operations, and each has its
// method.
func TestOperationsOfTheAgent(t *testing.T) {
	var table []string
	for _, row := range regexp.MustCompile(`(?m)^ {8}'([a-z-]+)' => \['(\w+)', (?:true|false), (?:true|false)\],$`).FindAllSubmatch(agentSource, -1) {
		table = append(table, string(row[1]))
		if !regexp.MustCompile(`private static function ` + string(row[2]) + `\(`).Match(agentSource) {
			t.Errorf("%s has no method %s", row[1], row[2])
		}
	}
	tree, err := parser.ParseFile(token.NewFileSet(), "agent.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var constants []string
	ast.Inspect(tree, func(node ast.Node) bool {
		if spec, ok := node.(*ast.ValueSpec); ok {
			if of, ok := spec.Type.(*ast.Ident); ok && of.Name == "operation" {
				name, _ := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
				constants = append(constants, name)
			}
		}
		return true
	})
	slices.Sort(table)
	slices.Sort(constants)
	if diff := cmp.Diff(table, constants); diff != "" || len(table) == 0 {
		t.Error(diff)
	}
}
