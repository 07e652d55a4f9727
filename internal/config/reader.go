package config

import (
	"fmt"
	"slices"
	"strings"

	"relink/internal/hint"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// reader turns YAML nodes into values and reports everything that does not
// fit, instead of stopping at the first.
type reader struct {
	*file
	anchors map[string]ast.Node
}

// node is one value of the file and its key.
type node struct {
	key  string
	yaml ast.Node
	at   token.Position
}

// entry is a key of a mapping as it is written there.
type entry struct {
	name  string
	keyAt token.Position
	node
}

func (r *reader) mapping(n node, known fields) {
	for _, e := range r.entries(n) {
		at := slices.IndexFunc(known, func(f field) bool { return f.name == e.name })
		if at >= 0 {
			known[at].read(r, e.node)
			continue
		}
		r.unknown(n.key, e, slices.Sorted(slices.Values(namesOf(known, func(f field) string { return f.name }))))
	}
}

func didYouMean(word string, known []string) string {
	for _, meant := range hint.Nearest(word, known, 1) {
		return fmt.Sprintf("; did you mean %q?", meant)
	}
	return ""
}

func (r *reader) unknown(around string, e entry, known []string) {
	text := didYouMean(e.name, known)
	for _, meant := range hint.Nearest(e.name, known, 1) {
		r.excused[child(around, meant)] = true
	}
	switch {
	case text != "":
	case moved[e.name] != "":
		text = "; it is " + moved[e.name]
	default:
		text = "; known here: " + strings.Join(known, ", ")
	}
	r.wrongAt(e.keyAt, e.key, "unknown key%s", text)
}

// moved are names under which a person may look for a key of another section.
var moved = map[string]string{
	"settle_timeout": "timeouts.settle", "sweep_timeout": "timeouts.sweep", "hook_timeout": "timeouts.hook",
	"restart_wait": "restart.wait", "restart_quiet": "restart.quiet", "keep": "apps.NAME.keep",
	"releases": "apps.NAME.releases", "instances": "apps.NAME.instances", "path_map": "pools[].path_map",
	"agent_dir": "pools[].agent_dir or apache.agent_dir", "status_path": "pools[].status_path",
}

func (r *reader) entries(n node) []entry {
	mapping, ok := r.resolve(n.yaml).(*ast.MappingNode)
	if !ok {
		r.refuse(n, expected("a mapping of keys to values", r.resolve(n.yaml)))
		return nil
	}
	var list []entry
	seen := map[string]int{}
	for _, written := range mapping.Values {
		at := *written.Key.GetToken().Position
		name, ok := r.name(n.key, written.Key, at)
		if !ok {
			continue
		}
		key := child(n.key, name)
		if line := seen[name]; line > 0 {
			r.wrongAt(at, key, "duplicate key: it stands in line %d already", line)
			continue
		}
		seen[name] = at.Line
		list = append(list, entry{name, at, r.place(key, at, written.Value)})
	}
	return list
}

// name is a mapping's key as text: sites are also called 2024 and null.
func (r *reader) name(around string, key ast.Node, at token.Position) (string, bool) {
	switch k := key.(type) {
	case *ast.StringNode:
		return k.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NullNode, *ast.InfinityNode, *ast.NanNode:
		return k.GetToken().Value, true
	case *ast.MergeKeyNode:
		r.wrongAt(at, around, "merge keys (<<) are not supported: repeat the keys, or name a whole value by &anchor and *alias")
	default:
		r.wrongAt(at, around, "a key must be plain text")
	}
	return "", false
}

// place remembers where a key stands: at its value, or at itself if the value
// goes on below.
func (r *reader) place(key string, at token.Position, yaml ast.Node) node {
	switch yaml.(type) {
	case *ast.MappingNode, *ast.SequenceNode, *ast.AnchorNode, *ast.TagNode, *ast.NullNode, *ast.LiteralNode:
	default:
		at = start(yaml)
	}
	r.at[key] = at
	return node{key, yaml, at}
}

func (r *reader) items(n node) []node {
	sequence, ok := r.resolve(n.yaml).(*ast.SequenceNode)
	if !ok {
		r.refuse(n, expected("a list", r.resolve(n.yaml)))
		return nil
	}
	list := make([]node, len(sequence.Values))
	for i, yaml := range sequence.Values {
		list[i] = r.place(item(n.key, i), start(yaml), yaml)
	}
	return list
}

// start is where a value begins; goccy puts a mapping at its first colon.
func start(yaml ast.Node) token.Position {
	if mapping, ok := yaml.(*ast.MappingNode); ok && len(mapping.Values) > 0 && !mapping.IsFlowStyle {
		yaml = mapping.Values[0].Key
	}
	if t := yaml.GetToken(); t != nil {
		return *t.Position
	}
	return token.Position{}
}

// isOff tells "off" from a mapping; YAML 1.1 read the bare word as false.
func (r *reader) isOff(n node) bool {
	switch yaml := r.resolve(n.yaml).(type) {
	case *ast.StringNode:
		return yaml.Value == off
	case *ast.BoolNode:
		return !yaml.Value
	}
	return false
}

func (r *reader) resolve(yaml ast.Node) ast.Node {
	switch n := yaml.(type) {
	case *ast.AnchorNode:
		return n.Value
	case *ast.AliasNode:
		return r.anchors[n.Value.GetToken().Value]
	}
	return yaml
}

// refuse reports why a value is not as it should be.
func (r *reader) refuse(n node, why error) {
	if alias, ok := n.yaml.(*ast.AliasNode); ok && r.resolve(alias) == nil {
		why = fmt.Errorf("there is no anchor &%s", alias.Value.GetToken().Value)
	}
	r.wrongAt(n.at, n.key, "%v", why)
}

func expected(what string, yaml ast.Node) error {
	return fmt.Errorf("expected %s, found %s", what, describe(yaml))
}

func describe(yaml ast.Node) string {
	switch n := yaml.(type) {
	case nil, *ast.NullNode:
		return "nothing: give it a value or remove the key"
	case *ast.MappingNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	case *ast.TagNode:
		return "the tag " + n.Start.Value
	case *ast.StringNode:
		return fmt.Sprintf("the text %q", n.Value)
	case *ast.LiteralNode:
		return "a block of text"
	case *ast.BoolNode:
		return n.Token.Value
	default:
		return "the number " + n.GetToken().Value
	}
}
