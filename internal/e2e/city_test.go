package e2e

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"relink/deploy/apache"
	"relink/deploy/outcome"
	"relink/deploy/webmap"
	"relink/internal/sandbox"
	"relink/internal/sandbox/app"
	"relink/internal/sandbox/load"
)

// plan is a set-up to measure.
type plan struct {
	name       string
	web        sandbox.Web
	resolved   bool // real paths, as "relink apache config" has Apache send them
	revalidate bool // opcache.revalidate_path=1
	lua        bool // with the script that mod_php wants besides
	fresh      bool // no deploy has moved the links yet
	workers    int  // of PHP-FPM; 0 is 8
}

// city is many sites of one application in one set-up.
type city struct {
	b      *testing.B
	ctx    context.Context
	plan   plan
	app    app.App
	root   string
	server *sandbox.Server
	names  []string
	spent  time.Duration // by the program itself, of processors, in its last run
}

// massFrom is the number of sites from which one virtual host serves them all.
const massFrom = 100

func newCity(b *testing.B, p plan, make func(context.Context, string) (app.App, error), sites int) *city {
	b.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Minute)
	b.Cleanup(cancel)
	root, err := sandbox.TempRoot()
	c := &city{b: b, ctx: ctx, plan: p, root: root}
	c.must(err)
	b.Cleanup(func() { os.RemoveAll(root) })
	c.app, err = make(ctx, root)
	c.must(err)
	for i := range sites {
		c.names = append(c.names, fmt.Sprintf("club%d", i))
	}
	c.must(os.Mkdir(c.path("www"), 0o755))
	c.must(os.Mkdir(c.path("releases"), 0o755))
	c.must(c.app.Prepare(c.path("data")))
	c.must(webmap.Write(c.path("map"), nil))
	c.server, err = sandbox.Start(ctx, c.options())
	c.must(err)
	b.Cleanup(func() { c.must(c.server.Stop()) })
	c.must(os.WriteFile(c.path("relink.yaml"), []byte(c.configuration()), 0o644))
	return c
}

func (c *city) must(err error) {
	c.b.Helper()
	if err != nil {
		c.b.Fatal(err)
	}
}

func (c *city) path(names ...string) string {
	return filepath.Join(append([]string{c.root}, names...)...)
}

func (c *city) mass() bool { return len(c.names) >= massFrom }

func (c *city) options() sandbox.Options {
	ini := map[string]string{"opcache.memory_consumption": "256", "opcache.file_update_protection": "0"}
	if c.plan.revalidate {
		ini["opcache.revalidate_path"] = "1"
	}
	o := sandbox.Options{Root: c.path("srv"), Web: c.plan.web, INI: ini, Children: 16, Sites: c.sites()}
	workers := cmp.Or(c.plan.workers, 8)
	if c.plan.web == sandbox.WebApachePrefork {
		workers = 1
		o.Directives = []string{"MaxKeepAliveRequests 100"}
	}
	if c.plan.lua {
		o.Directives = append(o.Directives, "LoadModule lua_module /usr/lib/apache2/modules/mod_lua.so")
	}
	o.Masters = []sandbox.Master{{INI: maps.Clone(ini), Pools: []sandbox.Pool{{Name: "www", Workers: workers}}}}
	return o
}

func (c *city) sites() []sandbox.Site {
	env := c.app.Env(c.path("data"), "club")
	switch {
	case c.mass() && c.plan.resolved:
		return []sandbox.Site{{Host: "clubs.test", DocumentRoot: c.path("srv"), Env: env, Directives: append(c.include(apache.FormMass), "ServerAlias *.test")}}
	case c.mass():
		return []sandbox.Site{{Host: "*.test", Virtual: true, DocumentRoot: c.path("www", "%1", c.app.DocRoot), Env: env}}
	}
	var sites []sandbox.Site
	for _, name := range c.names {
		one := sandbox.Site{Host: name + ".test", DocumentRoot: c.path("www", name, c.app.DocRoot), Env: env}
		if c.plan.resolved {
			one.Directives = append([]string{"Define RELINK_INSTANCE " + name}, c.include(apache.FormVHost)...)
		}
		sites = append(sites, one)
	}
	return sites
}

// include writes what "relink apache config" prints.
func (c *city) include(form apache.Form) []string {
	include := apache.Include{App: "club", Form: form, Releases: c.path("releases"), Docroot: c.app.DocRoot, Map: c.path("map"), AllowOverride: "None"}
	if c.plan.lua {
		include.Lua = c.path("document-root.lua")
		c.must(os.WriteFile(include.Lua, []byte(apache.Script), 0o644))
	}
	text, err := include.Text()
	c.must(err)
	c.must(os.WriteFile(c.path("include.conf"), []byte(text), 0o644))
	return []string{fmt.Sprintf("Include %q", c.path("include.conf"))}
}

func (c *city) configuration() string {
	var b strings.Builder
	pool := c.server.Pool("")
	fmt.Fprintf(&b, "state_dir: %q\npools: [{address: %q, status_path: %s, agent_dir: %q}]\n", c.path("state"), pool.Address, pool.StatusPath, c.server.AgentDir())
	fmt.Fprintf(&b, "apps:\n  club:\n    source: {git: %q}\n    releases: %q\n    docroot: %s\n    min_free: 1\n", c.app.Repository, c.path("releases"), c.app.DocRoot)
	fmt.Fprintf(&b, "    probe: {url: %q, host: \"{instance}.test\"}\n", c.server.URL()+"/")
	if c.plan.resolved {
		fmt.Fprintf(&b, "    map: %q\n", c.path("map"))
	}
	b.WriteString("    instances:\n")
	for _, name := range c.names {
		fmt.Fprintf(&b, "      %s: %q\n", name, c.path("www", name))
	}
	return b.String()
}

// relink runs the program, which has to succeed and to find out the set-up.
func (c *city) relink(args ...string) (report outcome.Report, ended time.Time) {
	c.b.Helper()
	command := relinkCommand(c.ctx, delivered, c.path("relink.yaml"), args...)
	var stderr strings.Builder
	command.Stderr = &stderr
	out, err := command.Output()
	ended = time.Now()
	c.spent = command.ProcessState.UserTime() + command.ProcessState.SystemTime()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) || json.Unmarshal(out, &report) != nil || report.Exit != 0 {
		c.b.Fatalf("relink %q: %v\n%s\n%.2000s", args, err, stderr.String(), out)
	}
	for _, one := range report.FrontDoor {
		if string(one.SetUp) != strings.SplitN(c.plan.name, "-", 2)[0] {
			c.b.Fatalf("relink %q: %+v, want %s", args, one, c.plan.name)
		}
	}
	return report, ended
}

func (c *city) begin(path string) *load.Load {
	c.b.Helper()
	paths := c.app.Paths
	if path != "" {
		paths = []string{path}
	}
	hosts := make([]string, len(c.names))
	for i, name := range c.names {
		hosts[i] = name + ".test"
	}
	l, err := load.Run(c.ctx, load.Options{URL: c.server.URL(), Hosts: hosts, Paths: paths, Clients: 6, Release: c.app.Release})
	c.must(err)
	return l
}

func (c *city) end(l *load.Load) load.Result {
	c.b.Helper()
	result := l.Stop()
	if result.Errors != 0 {
		c.b.Fatalf("%s: %d of %d requests failed: %q", c.plan.name, result.Errors, result.Requests, result.Described)
	}
	return result
}

// visit has the caches filled.
func (c *city) visit() { c.visitFor(2 * time.Second) }

func (c *city) visitFor(d time.Duration) {
	c.b.Helper()
	l := c.begin("")
	<-time.After(d)
	c.end(l)
}
