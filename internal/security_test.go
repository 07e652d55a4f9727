package internal_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// answered are the places of what gosec would report (its rules' numbers), each with why
// it is no finding. One that is not listed fails the test, and one that is gone too.
var answered = map[string]string{
	"G204 deploy/hooks/hooks.go":       "hooks are the configuration's, which only root and the caller can have written",
	"G204 deploy/source/git/run.go":    "git, whose options are relink's own; a ref cannot begin with a dash",
	"G204 internal/proc/command.go":    "the one runner of others' programs, with a bound of time and output",
	"G204 php/fpm/config.go":           "the executable of a master of root or the caller",
	"G204 php/fpm/preload.go":          "the executable of a master of root or the caller",
	"G204 php/webserver/run.go":        "the executable of a server of root or the caller",
	"G304 deploy/lock/lock.go":         "the lock that this process holds, through no link",
	"G304 deploy/release/store.go":     "the releases folder, to sync it",
	"G304 deploy/webmap/webmap.go":     "only a regular file, up to a bound",
	"G304 health/serve/store.go":       "a file of the service's own folder of state, up to a bound",
	"G304 internal/bounded/bounded.go": "the one way to read what others may have written",
	"G304 internal/durable/durable.go": "a folder, to sync it",
	"G304 internal/proc/sockets.go":    "a table of the kernel's, below /proc",
	"G304 internal/state/doc.go":       "state, created through no link",
	"G304 internal/state/lines.go":     "state, appended to through no link",
	"G304 internal/trust/trust.go":     "judged by its descriptor before it is used",
	"G304 php/fpm/config.go":           "a file of FPM's configuration: a FIFO is not waited for",
	"G304 php/probe/probe.go":          "relink's own script, through no link",
	"G304 php/webserver/apache.go":     "what the kernel shows of a server's memory, below /proc",
	"G306 deploy/caches/report.go":     "a report that the user asked for, as the shell would create it",
	"G306 deploy/propose/command.go":   "a configuration, which has no secrets",
	"G306 deploy/webmap/staged.go":     "Apache's children read the map",
	"G306 health/render/prometheus.go": "node_exporter reads the metrics",
	"G306 internal/cli/manual.go":      "manual pages are for everybody",
	"G306 php/install.go":              "PHP reads the agent",
	"G306 php/probe/probe.go":          "PHP reads the probe",
	"G402 php/probe/http.go":           "only on loopback, where nobody stands between the two ends",
	"G404 deploy/hooks/hooks.go":       "the mark of a hook's processes is no secret",
	"G404 deploy/release/remove.go":    "the name of what is removed is no secret",
	"G404 deploy/release/fetch.go":     "the name of a staging folder is created exclusively",
	"G404 deploy/release/staging.go":   "the name of a staging folder is created exclusively",
	"G404 internal/tree/folder.go":     "the name of a temporary link is created exclusively",
	"G404 internal/links/slots.go":     "the name of a slot only has to be another one",

	"G404 deploy/fleet/depot/peers.go":   "the order in which hosts are asked is no secret",
	"G306 deploy/fleet/ca/folder.go":     "certificates are for everybody",
	"G402 deploy/fleet/enroll/client.go": "VerifyConnection verifies there, by the authority's hash in the token",
}

// TestSecurityFindingsAreAnswered looks for what gosec names, at each run of the tests:
// programs and files from variables, modes that let others read, weak random numbers,
// certificates that are not verified, broken hashes, unsafe, and servers without a bound.
func TestSecurityFindingsAreAnswered(t *testing.T) {
	found := map[string]bool{}
	for folder, files := range parsePackages(t, "..") {
		if slices.Contains(ownServers, folder) {
			continue
		}
		for _, file := range files {
			for rule, at := range findings(file.tree) {
				place := rule + " " + path.Join(folder, file.name)
				found[place] = true
				if answered[place] == "" {
					t.Errorf("%s:%d: mend it, or say here why it is no finding", place, file.set.Position(at).Line)
				}
			}
		}
	}
	for place := range answered {
		if !found[place] {
			t.Errorf("%s is answered, and there is nothing of it any more", place)
		}
	}
}

func TestSecurityFindingsAreFound(t *testing.T) {
	for code, want := range map[string]string{
		`exec.CommandContext(ctx, name)`:              "G204",
		`os.Open(name)`:                               "G304",
		`os.Open("/proc/self/maps")`:                  "",
		`http.Get(url)`:                               "G107",
		`http.ListenAndServe(address, nil)`:           "G114",
		`os.WriteFile(name, text, 0o644)`:             "G306",
		`durable.WriteFile(name, text, 0o640)`:        "",
		`file.Chmod(0o777)`:                           "G306",
		`os.Chmod(name, 0o755)`:                       "",
		`http.Server{ReadHeaderTimeout: time.Second}`: "G112",
		`tls.Config{InsecureSkipVerify: true}`:        "G402",
	} {
		tree, err := parser.ParseFile(token.NewFileSet(), "", "package p\nvar x = "+code, 0)
		if err != nil {
			t.Fatal(err)
		}
		found := findings(tree)
		if _, is := found[want]; want != "" && (!is || len(found) != 1) || want == "" && len(found) != 0 {
			t.Errorf("%s: found %v, want %q", code, found, want)
		}
	}
	tree, err := parser.ParseFile(token.NewFileSet(), "", "package p\nimport \"math/rand\"", 0)
	if found := findings(tree); err != nil || found["G404"] == token.NoPos {
		t.Errorf("%v %v", found, err)
	}
}

// findings are the rules that a file meets, each with a place of it.
func findings(tree *ast.File) map[string]token.Pos {
	found := map[string]token.Pos{}
	for _, one := range tree.Imports {
		name, _ := strconv.Unquote(one.Path.Value)
		if rule := map[string]string{
			"math/rand": "G404", "math/rand/v2": "G404", "unsafe": "G103", "net/http/pprof": "G108", "net/http/cgi": "G504",
			"crypto/md5": "G501", "crypto/des": "G502", "crypto/rc4": "G503", "crypto/sha1": "G505",
		}[name]; rule != "" {
			found[rule] = one.Pos()
		}
	}
	ast.Inspect(tree, func(node ast.Node) bool {
		rule := ""
		switch node := node.(type) {
		case *ast.CallExpr:
			rule = ofCall(node)
		case *ast.CompositeLit:
			rule = ofLiteral(node)
		}
		if rule != "" {
			found[rule] = node.Pos()
		}
		return true
	})
	return found
}

func ofCall(call *ast.CallExpr) string {
	selector, is := call.Fun.(*ast.SelectorExpr)
	if !is {
		return ""
	}
	from, _ := selector.X.(*ast.Ident)
	is = from != nil
	name := selector.Sel.Name
	switch {
	case is && from.Name == "exec" && strings.HasPrefix(name, "Command"):
		return "G204"
	case is && from.Name == "os" && slices.Contains([]string{"Open", "OpenFile", "Create"}, name) && !literal(call.Args[0]):
		return "G304"
	case is && from.Name == "http" && slices.Contains([]string{"Get", "Head", "Post", "PostForm"}, name):
		return "G107" // without a context it has no end
	case is && from.Name == "http" && (strings.HasPrefix(name, "ListenAndServe") || strings.HasPrefix(name, "Serve") && name != "ServeContent"):
		return "G114" // a server without timeouts
	}
	if slices.Contains([]string{"WriteFile", "WriteNewFile", "OpenFile", "Chmod", "SetPermissions"}, name) && len(call.Args) > 0 && wide(call.Args[len(call.Args)-1]) {
		return "G306"
	}
	return ""
}

func literal(e ast.Expr) bool {
	_, is := e.(*ast.BasicLit)
	return is
}

// wide is a mode that lets others write, or of what is no program and no folder, read.
func wide(e ast.Expr) bool {
	value, is := e.(*ast.BasicLit)
	if !is || value.Kind != token.INT || !strings.HasPrefix(value.Value, "0") {
		return false
	}
	mode, err := strconv.ParseUint(value.Value, 0, 32)
	return err == nil && (mode&0o022 != 0 || mode&0o100 == 0 && mode&^0o640 != 0)
}

func ofLiteral(one *ast.CompositeLit) string {
	kind, is := one.Type.(*ast.SelectorExpr)
	if !is {
		return ""
	}
	keys := map[string]bool{}
	for _, element := range one.Elts {
		if pair, is := element.(*ast.KeyValueExpr); is {
			if key, is := pair.Key.(*ast.Ident); is {
				keys[key.Name] = true
			}
		}
	}
	switch {
	case kind.Sel.Name == "Server" && !(keys["ReadHeaderTimeout"] && keys["WriteTimeout"] && keys["IdleTimeout"]):
		return "G112"
	case keys["InsecureSkipVerify"]:
		return "G402"
	}
	return ""
}
