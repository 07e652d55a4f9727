package fpm_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"relink/fcgi"
	"relink/internal/sandbox"
	"relink/php"
)

// platform is a PHP-FPM to test with; the zero value is this machine's own.
type platform struct {
	binary string
	root   string // a root file system to run it in
}

// pool is a private FPM pool with its agent and a folder of releases and links.
type pool struct {
	*php.Agent
	t      testing.TB
	server *sandbox.Server
	www    string
}

const patience = 30 * time.Second

func withTimeout(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// start runs a master with one pool of one worker, so that every call meets the
// same PHP process unless a test asks for more.
func (on platform) start(t testing.TB, m sandbox.Master) pool {
	t.Helper()
	root := tempRoot(t)
	www := filepath.Join(root, "www")
	if err := os.Mkdir(www, 0o755); err != nil {
		t.Fatal(err)
	}
	return on.startIn(t, root, m)
}

func (on platform) startIn(t testing.TB, root string, m sandbox.Master) pool {
	t.Helper()
	if len(m.Pools) == 0 {
		m.Pools = []sandbox.Pool{{Name: "www", Workers: 1}}
	}
	options := sandbox.Options{Root: root, Masters: []sandbox.Master{m}, NoApache: true}
	if on.root != "" {
		options.FPMBinary, options.FPMCommand = on.binary, sandbox.InChroot(on.root, root)
	}
	server, err := sandbox.Start(withTimeout(t), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	agent := newAgent(t, server, server.AgentDir())
	p := pool{Agent: agent, t: t, server: server, www: filepath.Join(root, "www")}
	p.touch(p.agentFile(), -time.Hour) // so that OPcache always caches it
	return p
}

func tempRoot(t testing.TB) string {
	t.Helper()
	root, err := sandbox.TempRoot()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(root) })
	return root
}

func newAgent(t testing.TB, server *sandbox.Server, dir string) *php.Agent {
	t.Helper()
	address, err := fcgi.ParseAddress(server.Pool("").Address)
	if err != nil {
		t.Fatal(err)
	}
	agent, err := php.NewAgent(php.Pool{Address: address, AgentDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	return agent
}

// write puts a file of an age at which OPcache caches it below the pool's www.
func (p pool) write(name, content string) string {
	p.t.Helper()
	path := filepath.Join(p.www, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		p.t.Fatal(err)
	}
	p.touch(path, -time.Hour)
	return path
}

func (p pool) touch(path string, age time.Duration) {
	p.t.Helper()
	when := time.Now().Add(age)
	if err := os.Chtimes(path, when, when); err != nil {
		p.t.Fatal(err)
	}
}

// get requests a script by the literal path that a web server would send.
func (p pool) get(script string) string {
	p.t.Helper()
	response, err := fcgi.Call(withTimeout(p.t), p.Pool().Address, fcgi.Request{Script: script})
	if err != nil {
		p.t.Fatal(err)
	}
	return string(response.Body)
}

func (p pool) wantBody(script, want string) {
	p.t.Helper()
	if got := p.get(script); got != want {
		p.t.Errorf("%s answers %q, want %q", script, got, want)
	}
}

func check[T any](t testing.TB) func(T, error) T {
	return func(value T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

func (p pool) agentFile() string {
	p.t.Helper()
	found, err := filepath.Glob(filepath.Join(p.server.AgentDir(), "relink-agent-*.php"))
	if err != nil || len(found) != 1 {
		p.t.Fatal(found, err)
	}
	return found[0]
}
